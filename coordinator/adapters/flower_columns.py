"""Rounds of a Flower strategy over nodes that are rows: what it sends them, and the answers it is given.

A strategy that makes nothing but the weighted average of its nodes' parameters gets an answer from each process: the
average of the nodes that it trained. Every other strategy gets an answer from each node.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import (
    FedAdagrad,
    FedAdam,
    FedAvg,
    FedAvgM,
    FedProx,
    FedYogi,
    Strategy,
)

from coordinator.adapters.flower_strategy import (
    ARRAYS,
    CONFIG,
    METRICS,
    Chosen,
    like,
    strategy_errors,
    take_all,
)

AVERAGING: tuple[type[Strategy], ...] = (FedAvg, FedProx, FedAvgM, FedAdam, FedYogi, FedAdagrad)
"""Strategies whose model follows from the average alone. Not their subclasses, which may look at single answers."""
WEIGHT = "num-examples"


def averages(strategy: Strategy) -> bool:
    """Whether ``strategy`` makes the same of one average as of its parts."""
    return type(strategy) in AVERAGING and getattr(strategy, "weighted_by_key", None) == WEIGHT


@dataclass(frozen=True, slots=True)
class Sent:
    """What some nodes are sent: a model and settings."""

    numbers: tuple[int, ...]
    arrays: ArrayRecord
    config: ConfigRecord


@dataclass(frozen=True, slots=True)
class Answer:
    """A node's parameters and counts; of a strategy that averages, those of a process."""

    arrays: ArrayRecord
    metrics: Mapping[str, int | float]


class ColumnRounds:
    """Asks ``strategy`` for the messages of a round and gives it the answers, one round after the other.

    Args:
        strategy: Any strategy of Flower's Message API; its own sampling is switched off.
        grid: Shows it the nodes' numbers; no message goes over it.
    """

    def __init__(self, strategy: Strategy, grid: Grid) -> None:
        take_all(strategy)
        self.strategy = strategy
        self.each = not averages(strategy)
        """Whether it gets every node's answer."""
        self._grid = grid
        self._messages: list[Message] = []

    def begin(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, numbers: Sequence[int]
    ) -> list[Sent]:
        """What the nodes of these numbers, at least one, are sent; those that get the same are together. Raises
        StrategyError."""
        self._model = arrays
        shown = numbers if self.each else numbers[:1]
        with strategy_errors(self.strategy, server_round, "configure_train"):
            made = self.strategy.configure_train(server_round, arrays, config, Chosen(self._grid, shown))
            by_number = {message.metadata.dst_node_id: message for message in made}
            self._messages = [by_number[number] for number in shown]
        if not self.each:
            content = self._messages[0].content
            return [Sent(tuple(numbers), content.array_records[ARRAYS], content.config_records[CONFIG])]
        groups: dict[tuple[int, str], list[int]] = {}
        for place, message in enumerate(self._messages):
            records = message.content
            # Records that are the same object are the same; others may be equal and are sent apart.
            key = id(records.array_records[ARRAYS]), repr(dict(records.config_records[CONFIG]))
            groups.setdefault(key, []).append(place)
        return [
            Sent(
                tuple(numbers[place] for place in places),
                self._messages[places[0]].content.array_records[ARRAYS],
                self._messages[places[0]].content.config_records[CONFIG],
            )
            for places in groups.values()
        ]

    def end(self, server_round: int, answers: Sequence[Answer]) -> ArrayRecord | None:
        """The model that the strategy makes of ``answers``, in the order of ``begin``'s numbers, or of each process;
        None where it makes none. Raises StrategyError."""
        messages = self._messages if self.each else self._messages * len(answers)
        replies = [
            Message(
                RecordDict({ARRAYS: answer.arrays, METRICS: MetricRecord(dict(answer.metrics))}),
                reply_to=asked,
            )
            for answer, asked in zip(answers, messages, strict=True)
        ]
        with strategy_errors(self.strategy, server_round):
            arrays, _ = self.strategy.aggregate_train(server_round, replies)
            return None if arrays is None else like(arrays, self._model)
