"""A board that an option names."""

from __future__ import annotations

from edge_node.energy.boards import BoardProfile, load_board
from edge_node.energy.sourced import SourceError
from experiments.errors import UsageError


def require_board(name: str) -> BoardProfile:
    """A board's profile with all that its model needs. Raises UsageError where there is none."""
    try:
        profile = load_board(name)
        profile.config()
        return profile
    except SourceError as error:
        raise UsageError(str(error)) from error
