"""Learning of a run on a virtual fleet: a federated round in every slot, with any Flower strategy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from flwr.app import ConfigRecord

from carbon_data.exact import Ints
from coordinator.adapters.flower_columns import Answer, ColumnRounds, Sent
from coordinator.adapters.flower_server import Evaluation, LearningTask
from coordinator.adapters.flower_strategy import Replies, count_parameters
from edge_node.adapters.flower_records import from_record, to_record
from edge_node.columns.nodes import VirtualNodes
from edge_node.columns.trainer import Trained, merged
from edge_node.columns.work import WorkColumns
from edge_node.workload import TRAIN_OPTIONS
from experiments.fleet.base import run_number
from experiments.fleet.learners import Learners
from experiments.fleet.row_grid import RowGrid
from protos.messages.columns import DecisionColumns, LearnedColumns, UsageColumns

NO_REPLIES = Replies(sent=(), answered=(), failed={}, raised=(), missing=(), unreachable=())
"""Rows get no messages and lose none."""
FIRST_NUMBER = 2
"""Flower number of row 0, as fleet.base.numbers_of counts."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A round under way."""

    work: WorkColumns
    epochs: Ints
    """(N,) passes over the batches."""
    results: Sequence[Callable[[], Trained]]


class ColumnLearning:
    """The rounds of one run. In each slot: ``begin`` with the decision, which sets the processes to work; ``trained``
    with what the nodes counted; ``aggregated`` after the slot is booked.

    Args:
        task: What is learned.
        learners: Processes that train, prepared for the run.
        nodes: The nodes.
        names: Their names.
        rounds: Rounds of the run.
    """

    def __init__(
        self,
        run_id: str,
        task: LearningTask,
        learners: Learners,
        nodes: VirtualNodes,
        names: Sequence[str],
        rounds: int,
    ) -> None:
        grid = RowGrid(run_number(run_id), {row + FIRST_NUMBER: name for row, name in enumerate(names)})
        self._task, self._learners, self._nodes, self._names = task, learners, nodes, names
        self._rounds_in_all = rounds
        self._rounds = ColumnRounds(task.strategy(), grid)
        self._config = ConfigRecord(dict(task.train_config))
        self.model = task.initial(None)
        """As of the last round that made one."""
        self._parameters = count_parameters(self.model)
        self.initial_evaluation = self._evaluated(0)

    def begin(self, server_round: int, decision: DecisionColumns) -> Ints:
        """Ask the strategy and set the learners to work. Returns (N,) passes over each node's batches.

        Raises StrategyError."""
        work, load = self._nodes.work(decision), self._nodes.load
        epochs = np.full(len(self._names), load.local_epochs, dtype=np.int64)
        rows, results = work.rows, []
        sent: list[Sent] = []
        if len(rows):
            numbers = (rows + FIRST_NUMBER).tolist()
            sent = self._rounds.begin(server_round, self.model, self._config, numbers)
        for message in sent:
            of = np.array(message.numbers, dtype=np.int64) - FIRST_NUMBER
            options = _options(message.config)
            epochs[of] = int(options.get("local-epochs", load.local_epochs))
            part = work if len(sent) == 1 else work.of(of)
            parameters = from_record(message.arrays)
            results.append(self._learners.train(parameters, part, options, self._rounds.each))
        self._asked = _Asked(work, epochs, results)
        return epochs

    def trained(self, server_round: int, usage: UsageColumns) -> tuple[LearnedColumns, Replies]:
        """Wait for the learners. Raises TrainingError where a task raised."""
        self._usage, results = usage, [result() for result in self._asked.results]
        self._trained = merged(results) if results else None
        loss = np.full(len(self._names), np.nan)
        replies, answered = NO_REPLIES, 0
        if self._trained is not None:
            found, answered = self._trained, len(self._trained.rows)
            loss[found.rows] = np.where(np.isfinite(found.mean_loss), found.mean_loss, np.nan)
            names = tuple(self._names[row] for row in found.rows.tolist())
            replies = replace(NO_REPLIES, sent=names, answered=names, metrics=self._sums())
        times = self._due(server_round) + (server_round == 1 and self._due(0))
        return LearnedColumns(loss, answered * self._parameters, self._task.examples * times), replies

    def aggregated(self, server_round: int, replies: Replies) -> tuple[Replies, Evaluation | None]:
        """Have the strategy make a model of the answers, and evaluate it. Raises StrategyError, RunError."""
        if self._trained is not None:
            made = self._rounds.end(server_round, self._answers(self._trained))
            replies = replace(replies, aggregated=made is not None)
            self.model = self.model if made is None else made
        return replies, self._evaluated(server_round)

    # --- parts ---------------------------------------------------------------------------------------------

    def _due(self, server_round: int) -> bool:
        return self._task.due(server_round, self._rounds_in_all)

    def _evaluated(self, server_round: int) -> Evaluation | None:
        evaluate = self._task.evaluate
        return evaluate(self.model) if evaluate is not None and self._due(server_round) else None

    def _counts(self) -> dict[str, np.ndarray]:
        """(R,) counts of the nodes that trained, as a node reports them."""
        assert self._trained is not None
        rows, batches = self._trained.rows, self._usage.executed_batches
        return {
            "num-examples": self._trained.num_examples,
            "loss": self._trained.mean_loss,
            "batches": batches[rows],
            "flop": self._nodes.load.flop(batches, self._asked.epochs)[rows],
        }

    def _sums(self) -> dict[str, float]:
        """Of all nodes that trained: sums of counts, and the loss weighted by examples."""
        counts = {name: column.tolist() for name, column in self._counts().items()}
        weights = counts["num-examples"]
        weighted = sum(loss * weight for loss, weight in zip(counts.pop("loss"), weights, strict=True))
        sums = {name: float(sum(column)) for name, column in counts.items()}
        return {**sums, "loss": weighted / sum(weights)}

    def _answers(self, trained: Trained) -> list[Answer]:
        if trained.averages:
            loss = self._sums()["loss"]
            return [
                Answer(to_record(parameters), {"num-examples": weight, "loss": loss})
                for weight, parameters in trained.averages
            ]
        counts = self._counts()
        rows = zip(*(column.tolist() for column in counts.values()), strict=True)
        return [
            Answer(to_record(parameters), dict(zip(counts, row, strict=True)))
            for parameters, row in zip(trained.each, rows, strict=True)
        ]


def _options(config: ConfigRecord) -> Mapping[str, float]:
    """Training options among a message's settings, as a node reads them."""
    return {
        key: float(value)
        for key in TRAIN_OPTIONS
        if isinstance(value := config.get(key), int | float) and not isinstance(value, bool)
    }
