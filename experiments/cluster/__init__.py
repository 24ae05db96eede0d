"""Boards of a cluster: their inventory, the authority that certifies them, and how a board joins."""
