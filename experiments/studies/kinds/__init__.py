"""Kinds of federated learning on the same data."""
