"""Reproduction of the case study of the DETA paper: federated edge intelligence, Table I and Figs. 3 to 5."""
