"""A board that an option names."""

from __future__ import annotations

from edge_node.energy.boards import BoardProfile, load_board
from edge_node.energy.sourced import SourceError
from experiments.errors import UsageError


def require_board(name: str) -> BoardProfile:
    """A board's profile. Raises UsageError where there is none."""
    try:
        return load_board(name)
    except SourceError as error:
        raise UsageError(str(error)) from error
