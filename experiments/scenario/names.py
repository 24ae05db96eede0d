"""Names of a scenario's nodes."""

from __future__ import annotations


def node_name(index: int, count: int) -> str:
    """n0, n1, ...; padded so that names sort."""
    return f"n{index:0{len(str(count - 1))}d}"
