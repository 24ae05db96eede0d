"""Environments for learning on a virtual fleet: a coordinator's decisions (Gymnasium), nodes' bids (PettingZoo)."""
