"""Policies: what every node shall do in a slot."""

COMPARED = ("grid", "local", "det", "dat", "deta")
"""The papers' five: what a comparison runs unless it is told, and the order in which reports show them."""
