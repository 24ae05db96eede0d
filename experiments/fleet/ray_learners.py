"""Training of rows in Ray actors, on this machine or on a cluster that runs already.

Each actor has the whole data set and makes any node's batches; what travels is one model a round to each, the numbers
of batches, and the average of the nodes that it trained.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError

from edge_node.columns.trainer import RowTrainer, Trained, TrainingError, merged
from edge_node.columns.work import WorkColumns, dealt
from edge_node.config import TaskConfig
from edge_node.tasks.process import configure_process
from edge_node.workload import Parameters

from .base import FleetStartError, Managed
from .isolation import Isolation
from .learners import LearnerLostError
from .processes import learner_count
from .ray_cluster import ClusterRay
from .ray_local import LocalRay

PRELOAD = ("torch",)


class _Learner:
    """A process that trains; it stays from run to run."""

    def __init__(self, preload: Sequence[str]) -> None:
        for module in preload:
            importlib.import_module(module)
        self._trainer: RowTrainer | None = None

    def pid(self) -> int:
        return os.getpid()

    def prepare(self, config: str, names: Sequence[str]) -> None:
        configure_process()
        self._trainer = RowTrainer(TaskConfig.model_validate_json(config), names)

    def train(
        self, parameters: Parameters, work: WorkColumns, options: Mapping[str, float], each: bool
    ) -> Trained:
        if self._trainer is None:
            raise RuntimeError("this process has no run: prepare() has not run")
        return self._trainer.train(parameters, work, options, each)


class RayLearners(Managed):
    """Learners in Ray actors (learners.Learners).

    Args:
        nodes: Largest number of nodes of a run.
        processes: ``auto`` (as many as cores, but nodes enough for each) or a number.
        isolation: See isolation.Isolation.
        cluster: Ray cluster to use, whose own settings say who reaches it; None starts our own.
        start_timeout_s: Longest time a process may take to start, and to prepare a run.
    """

    def __init__(
        self,
        nodes: int,
        processes: str | int = "auto",
        *,
        isolation: Isolation = Isolation.AUTO,
        cluster: ClusterRay | None = None,
        start_timeout_s: float = 180.0,
    ) -> None:
        self._nodes, self._processes = nodes, processes
        self._ray = cluster or LocalRay(learner_count(processes, nodes), PRELOAD, isolation)
        self._start_timeout_s = start_timeout_s
        self._actors: list[Any] = []
        self._pids: list[int] = []
        self._lost: set[int] = set()

    def start(self) -> None:
        """Start Ray or join it, then start the actors. Raises FleetStartError, IsolationError; UsageError for a cluster
        that cannot be joined."""
        try:
            self._ray.start()
            count = learner_count(self._processes, self._nodes, int(ray.cluster_resources().get("CPU", 1)))
            self._actors = [self._new_actor() for _ in range(count)]
            self._pids = self._ask([actor.pid.remote() for actor in self._actors], "start")
        except BaseException:
            self.stop()
            raise

    def _new_actor(self) -> Any:
        process = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0, scheduling_strategy="SPREAD")
        return process(_Learner).remote(PRELOAD)

    def _ask(self, references: list[Any], what: str) -> list[Any]:
        try:
            return list(ray.get(references, timeout=self._start_timeout_s))
        except RayError as error:
            raise FleetStartError(f"a process that trains did not {what}: {error}") from error

    @property
    def pids(self) -> tuple[int, ...]:
        return tuple(self._pids)

    def prepare(self, config: TaskConfig, names: Sequence[str]) -> None:
        """Begin a run; processes that died in the run before are replaced. Raises FleetStartError."""
        for place in sorted(self._lost):
            self._actors[place] = self._new_actor()
            (self._pids[place],) = self._ask([self._actors[place].pid.remote()], "start")
        self._lost = set()
        told, all_names = config.model_dump_json(), ray.put(tuple(names))
        self._ask([actor.prepare.remote(told, all_names) for actor in self._actors], "prepare the run")

    def train(
        self, parameters: Parameters, work: WorkColumns, options: Mapping[str, float], each: bool
    ) -> Callable[[], Trained]:
        """See learners.Learners. Raises LearnerLostError, where the result is asked for, when a process died."""
        model = ray.put(dict(parameters))
        pending = [
            (place, self._actors[place].train.remote(model, part, dict(options), each))
            for place, part in enumerate(dealt(work, len(self._actors)))
            if len(part.executor)
        ]
        return lambda: merged([self._receive(place, reference) for place, reference in pending])

    def _receive(self, place: int, reference: Any) -> Trained:
        try:
            found: Trained = ray.get(reference)
        except RayTaskError as error:  # the process lives; what it ran raised
            cause = error.cause
            known = isinstance(cause, TrainingError)
            raise TrainingError(str(cause) if known else f"{type(cause).__name__}: {cause}") from error
        except RayActorError as error:
            self._lost.add(place)
            raise LearnerLostError(
                f"process {self._pids[place]}, which trained a part of the nodes, died: {error}"
            ) from error
        return found

    def stop(self) -> None:
        """End all processes, or leave the cluster. May be called twice."""
        self._actors = []
        self._ray.stop()
