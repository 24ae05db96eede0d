"""A fleet whose nodes are rows of arrays: no message, no Flower grid (experiments.runs.columns runs it). Only what they
learn may have processes of its own."""

from __future__ import annotations

from .base import Managed
from .learners import Learners, OwnLearner


class VirtualFleet(Managed):
    """Nodes and coordinator come with the run; ``learners`` stay from run to run. None: this process trains."""

    def __init__(self, learners: Learners | None = None) -> None:
        self.learners: Learners = OwnLearner() if learners is None else learners

    @property
    def coordinators(self) -> None:
        return None

    def start(self) -> None:
        self.learners.start()

    def stop(self) -> None:
        self.learners.stop()
