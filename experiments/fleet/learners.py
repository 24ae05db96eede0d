"""Who trains the nodes of a virtual fleet: this process, or others (ray_learners)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from edge_node.columns.trainer import RowTrainer, Trained
from edge_node.columns.work import WorkColumns
from edge_node.config import TaskConfig
from edge_node.tasks.process import configure_process
from edge_node.workload import Parameters


class LearnerLostError(RuntimeError):
    """A process that trained nodes died."""


class Learners(Protocol):
    """Processes that train. ``prepare`` for each run; ``train`` for each message that differs."""

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes."""
        ...

    def start(self) -> object:
        """Start them."""
        ...

    def prepare(self, config: TaskConfig, names: Sequence[str]) -> None:
        """The nodes of a run: their task, ``partition_index`` apart, and their names."""
        ...

    def train(
        self, parameters: Parameters, work: WorkColumns, options: Mapping[str, float], each: bool
    ) -> Callable[[], Trained]:
        """Begin to train, see RowTrainer.train; what comes back waits for the end. Raises TrainingError there."""
        ...

    def stop(self) -> None:
        """End them. May be called twice."""
        ...


class OwnLearner:
    """Trains in this process."""

    _trainer: RowTrainer

    @property
    def pids(self) -> tuple[int, ...]:
        return (os.getpid(),)

    def start(self) -> None:
        """Nothing to start."""

    def prepare(self, config: TaskConfig, names: Sequence[str]) -> None:
        configure_process()
        self._trainer = RowTrainer(config, names)

    def train(
        self, parameters: Parameters, work: WorkColumns, options: Mapping[str, float], each: bool
    ) -> Callable[[], Trained]:
        return lambda: self._trainer.train(parameters, work, options, each)

    def stop(self) -> None:
        """Nothing to stop."""
