"""A fleet whose nodes are rows of arrays: no process, no message, no Flower grid (experiments.runs.columns runs it)."""

from __future__ import annotations

from .base import Managed


class VirtualFleet(Managed):
    """Nothing to start: nodes and coordinator come with the run."""

    @property
    def coordinators(self) -> None:
        return None

    def start(self) -> None:
        """Nothing to start."""

    def stop(self) -> None:
        """Nothing to stop."""
