"""Inputs of a run's QoAIS: tables, model, data, ledger. Each is read once, when an indicator needs it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from carbon_data.own_code import place_of
from carbon_data.types import DataError
from edge_node.tasks.none import APP
from edge_node.tasks.partition import split
from experiments.errors import UsageError
from experiments.report.lifecycle.setting import Setting, setting_of
from experiments.report.read import Run
from experiments.run_folder.files import LEDGER, MODEL
from experiments.run_folder.tensors import read_tensors
from experiments.run_folder.verify import verify_run

if TYPE_CHECKING:
    from types import ModuleType

    from edge_node.tasks.base import Task
    from edge_node.tasks.data.dataset import Dataset
    from experiments.report.qoais.evaluation import Answers, Deviation

NOISES = (0.1, 0.3, 1.0)
COLUMNS = "training.kind is vertical: nodes have columns of the same examples, and none has a share of them"
NO_MODEL = f"the run folder has no {MODEL} with a developed model"


def _evaluation() -> ModuleType:
    # It imports torch, which takes seconds: a folder is opened and summarised without it.
    from experiments.report.qoais import evaluation

    return evaluation


@dataclass(frozen=True)
class Evidence:
    """A finished run, read on demand. A property that is None has its reason in ``why`` of the same name, set
    when the property is read."""

    run: Run

    @cached_property
    def why(self) -> dict[str, str]:
        return {}

    @cached_property
    def setting(self) -> Setting:
        return setting_of(self.run)

    @cached_property
    def task(self) -> Task | None:
        """The task of the run; None where it is not known here."""
        if self.run.metadata.get("task") == APP:
            self.why["task"] = (
                "a Flower app of the user's own was run: what its model answers is the app's matter"
            )
            return None
        try:
            return cast("Task", _evaluation().task_of(self.run.metadata))
        except ValueError as error:
            self.why["task"] = str(error)
            return None

    @cached_property
    def dataset(self) -> Dataset | None:
        """Data of the development stage; None where its files are not at hand."""
        return self._dataset("dataset", self.run.metadata.get("data_used"))

    @cached_property
    def recycling_dataset(self) -> Dataset | None:
        """Data of the second task; None without one."""
        name = self.run.metadata.get("recycling_data")
        if not name:
            self.why["recycling_dataset"] = "the run has no recycling stage"
            return None
        return self._dataset("recycling_dataset", name)

    def _dataset(self, key: str, name: object) -> Dataset | None:
        if self.task is None:
            self.why[key] = self.why["task"]
            return None
        try:
            return self.task.dataset(str(name))
        except (ValueError, DataError) as error:
            self.why[key] = f"data {name}: {error}"
            return None

    @property
    def by_columns(self) -> bool:
        """Whether nodes have columns of all examples, and no examples of their own."""
        scenario = self.setting.scenario
        return scenario is not None and scenario.training.kind == "vertical"

    @cached_property
    def shares(self) -> list[NDArray[np.int64]] | None:
        """Training examples of every node, nodes in order of name, as the scenario's partition gives them."""
        scenario, data = self.setting.scenario, self.dataset
        if scenario is None or data is None:
            self.why["shares"] = self.setting.reason or self.why["dataset"]
            return None
        if self.by_columns:
            self.why["shares"] = COLUMNS
            return None
        nodes = len(self.run.tables["nodes"])
        if nodes != scenario.node_count:
            self.why["shares"] = "the scenario names other nodes than the tables"
            return None
        spec = scenario.task
        return split(spec.partition, data.groups, nodes, self.run.seed, spec.dirichlet_alpha)

    @cached_property
    def parameters(self) -> Mapping[str, NDArray[Any]] | None:
        """The developed model; None when the folder holds none."""
        path = self.run.folder / MODEL
        if not path.exists():
            self.why["parameters"] = NO_MODEL
            return None
        prefix = "development/"
        found = {k.removeprefix(prefix): v for k, v in read_tensors(path).items() if k.startswith(prefix)}
        if not found:
            self.why["parameters"] = NO_MODEL
            return None
        return found

    @cached_property
    def held_out(self) -> Answers | None:
        """The developed model's answers on held-out data."""
        return self._answers("held_out", "test")

    @cached_property
    def trained_on(self) -> Answers | None:
        """The developed model's answers on training data."""
        return self._answers("trained_on", "train")

    @cached_property
    def under_noise(self) -> dict[float, Answers] | None:
        """Answers under each of NOISES."""
        return self._judged(
            "under_noise",
            lambda judge, task, data, parameters: {
                noise: judge.answers(task, parameters, judge.sample(task, data.test), noise=noise)
                for noise in NOISES
            },
        )

    @cached_property
    def deviation(self) -> Deviation | None:
        """float32 against float64."""
        return self._judged(
            "deviation",
            lambda judge, task, data, parameters: judge.deviation(
                task, parameters, judge.sample(task, data.test)
            ),
        )

    def _answers(self, key: str, part: str) -> Answers | None:
        return self._judged(
            key,
            lambda judge, task, data, parameters: judge.answers(
                task, parameters, judge.sample(task, getattr(data, part))
            ),
        )

    def _judged(self, key: str, find: Callable[..., Any]) -> Any:
        """What ``find`` finds of the model's answers; None, with the reason, where they are no classes."""
        if (ready := self._ready(key)) is None:
            return None
        judge = _evaluation()
        task, data, _ = ready
        try:
            if reason := judge.unjudged(task, data):
                self.why[key] = reason
                return None
            if home := judge.at_home(task, ready[2]):
                self.why[key] = (
                    f"{', '.join(home[:3])} stayed at the nodes: no whole model is in the run folder"
                )
                return None
            return find(judge, *ready)
        except Exception as error:
            if not judge.of_the_user(task):  # a user's model may raise anything; ours does not
                raise
            self.why[key] = f"the task's model: {type(error).__name__}: {error} (at {place_of(error)})"
            return None

    def _ready(self, key: str) -> tuple[Task, Dataset, Mapping[str, NDArray[Any]]] | None:
        if self.parameters is None:
            self.why[key] = self.why["parameters"]
            return None
        if self.dataset is None or self.task is None:
            self.why[key] = self.why["dataset"]
            return None
        return self.task, self.dataset, self.parameters

    @cached_property
    def books(self) -> dict[str, Any] | None:
        """Verdict of ``ledger verify``, entries by kind, and node-slots that have one."""
        path = self.run.folder / LEDGER
        try:
            verdict = verify_run(self.run.folder, tables=False)
            with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
                kinds = dict(
                    connection.execute("SELECT kind, count(*) FROM entries GROUP BY kind").fetchall()
                )
                (node_slots,) = connection.execute(
                    "SELECT count(*) FROM (SELECT DISTINCT slot, node_id FROM entries "
                    "WHERE kind IN ('booking', 'gap'))"
                ).fetchone()
        except (UsageError, sqlite3.Error, OSError) as error:
            self.why["books"] = f"the ledger cannot be read: {error}"
            return None
        return {**verdict, "kinds": kinds, "node_slots": node_slots}
