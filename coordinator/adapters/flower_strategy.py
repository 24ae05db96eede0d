"""Any Flower strategy, with the coordinator deciding who trains how much.

``Decided`` wraps a strategy of Flower's Message API (FedAvg, FedProx, FedAvgM, FedAdam, FedYogi, robust and
private ones): before each round it asks the coordinator for the slot's decision and sends every awake node
that has work a message of its own, with its number of batches; afterwards the inner strategy aggregates what
came back, weighted by examples, and the slot is closed and booked. Whom to ask is the policy's matter: the
inner strategy's own sampling is switched off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy

from carbon_data.own_code import place_in
from coordinator.adapters.flower_guarded import close_round, open_round
from coordinator.adapters.flower_slots import ConfigValue, SlotControl, call, group_of, slot_config
from coordinator.adapters.inner_grid import InnerGrid
from protos.flower_names import ARRAYS, CONFIG, METRICS, NODE_UNAVAILABLE, PERSONAL
from protos.messages.runner import SlotPlan, SlotSummary
from protos.messages.terms import Stage


class StrategyError(RuntimeError):
    """The strategy raised, or made a model that is not the nodes' model."""


@dataclass(frozen=True, slots=True)
class Replies:
    """Outcome of a slot's messages."""

    sent: tuple[str, ...]
    """Nodes that got a message."""
    answered: tuple[str, ...]
    """Nodes whose work counts."""
    failed: dict[str, str]
    """Nodes that answered with an error, or whose process is dead, and why."""
    raised: tuple[str, ...]
    """Nodes of ``failed`` that live: their own code raised, or their answer cannot be read."""
    missing: tuple[str, ...]
    """Nodes that had not answered by the deadline."""
    unreachable: tuple[str, ...]
    """Nodes that got no message and whose process was dead: before the messages went out, or, where all of their work
    was to go to others, at the slot's end."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Sums over ``answered`` of counts, and the example-weighted mean of ``loss``."""
    personal: dict[str, float] = field(default_factory=dict)
    """Accuracy of each answering node's own model, where nodes measured it."""
    aggregated: bool | None = None
    """Whether the strategy made a model of the answers; None where there was nothing to make one of."""


OnRound = Callable[[int, SlotPlan, Replies, SlotSummary, ArrayRecord | None], None]


def read_replies(
    sent: Sequence[str], unreachable: Sequence[str], replies: Iterable[Message], names: Mapping[int, str]
) -> tuple[Replies, list[Message]]:
    """Sort replies into those whose work counts, failures and missing answers.

    A reply without examples (a node whose batches all fell through) is no failure, and has nothing to
    aggregate.
    """
    usable: list[Message] = []
    failed: dict[str, str] = {}
    gone: set[str] = set()
    idle: list[str] = []
    for reply in replies:
        name = names[reply.metadata.src_node_id]
        if reply.has_error():
            failed[name] = reply.error.reason or f"error {reply.error.code}"
            if reply.error.code == NODE_UNAVAILABLE:
                gone.add(name)
        elif METRICS not in reply.content:
            failed[name] = f"reply without a record named {METRICS!r}"
        elif ARRAYS in reply.content and not float(_number(reply.content[METRICS], "num-examples") or 0) > 0:
            idle.append(name)
        else:
            usable.append(reply)
    # In the order of sending, not of arrival: sums of floats depend on it, and runs must repeat.
    position = {name: place for place, name in enumerate(sent)}
    usable.sort(key=lambda reply: position[names[reply.metadata.src_node_id]])
    answered = tuple(names[reply.metadata.src_node_id] for reply in usable)
    heard = {*answered, *failed, *idle}
    return (
        Replies(
            sent=tuple(sent),
            answered=answered,
            failed=failed,
            raised=tuple(name for name in sent if name in failed and name not in gone),
            missing=tuple(name for name in sent if name not in heard),
            unreachable=tuple(unreachable),
            metrics=_total(usable),
            personal=_personal(usable, names),
        ),
        usable,
    )


def _number(record: Any, key: str) -> float | None:
    value = record.get(key)
    return None if value is None or isinstance(value, list) else float(value)


def _total(replies: Sequence[Message]) -> dict[str, float]:
    totals: dict[str, float] = {}
    weighted_loss = weight = 0.0
    for reply in replies:
        record = reply.content[METRICS]
        for key in record:
            value = _number(record, key)
            if value is not None and key not in ("loss", PERSONAL):
                totals[key] = totals.get(key, 0.0) + value
        loss, examples = _number(record, "loss"), _number(record, "num-examples")
        if loss is not None and examples:
            weighted_loss += loss * examples
            weight += examples
    if weight:
        totals["loss"] = weighted_loss / weight
    return totals


def _personal(replies: Sequence[Message], names: Mapping[int, str]) -> dict[str, float]:
    found = {
        names[reply.metadata.src_node_id]: _number(reply.content[METRICS], PERSONAL) for reply in replies
    }
    return {name: value for name, value in found.items() if value is not None}


class Chosen(InnerGrid):
    """Shows the inner strategy exactly the nodes that take part, so that it cannot choose others."""

    def __init__(self, inner: Grid, numbers: Sequence[int]) -> None:
        super().__init__(inner)
        self._numbers = list(numbers)

    def get_node_ids(self) -> list[int]:
        return list(self._numbers)


def take_all(strategy: Any) -> None:
    """Switch off a strategy's own sampling (and that of one it wraps, as differential privacy does)."""
    while strategy is not None:
        for name, value in (
            ("fraction_train", 1.0),
            ("fraction_evaluate", 0.0),
            ("min_train_nodes", 1),
            ("min_evaluate_nodes", 0),
            ("min_available_nodes", 1),
        ):
            if hasattr(strategy, name):
                setattr(strategy, name, value)
        strategy = getattr(strategy, "strategy", None)


class Decided(Strategy):
    """A strategy whose rounds are slots that the coordinator decides.

    Args:
        inner: Strategy that aggregates and adds its own settings to the configuration (``proximal-mu``).
        control: The coordinator.
        numbers: Flower node number by node id.
        slots: Slot of each round, round 1 first.
        stage: Life-cycle stage of these slots.
        wait_s: How long the coordinator waits for telemetry and for usage of live nodes.
        evaluated_examples: Examples of the central evaluation after a round, for the coordinator's energy.
        on_round: Called after each round with its number, plan, replies, the booked summary and the model made (None:
            it stays as it is).
        rounds_before: Rounds of these slots that an earlier start of the run has done.
        books: Where to close a slot while models are averaged, and to begin the next one while a model is evaluated;
            None: one after the other, in this thread.
        before_begin: Called, there as well, before a slot begins.
    """

    def __init__(
        self,
        inner: Strategy,
        control: SlotControl,
        numbers: Mapping[str, int],
        slots: Sequence[int],
        stage: Stage,
        *,
        wait_s: float,
        evaluated_examples: Callable[[int], int] = lambda _: 0,
        on_round: OnRound = lambda *_: None,
        books: Executor | None = None,
        before_begin: Callable[[], None] = lambda: None,
        rounds_before: int = 0,
    ) -> None:
        take_all(inner)
        self.inner = inner
        self._control = control
        self._numbers = dict(numbers)
        self._names = {number: name for name, number in numbers.items()}
        self._slots = tuple(slots)
        self._stage = stage
        self._wait_s = wait_s
        self._evaluated_examples = evaluated_examples
        self._on_round = on_round
        self._books = books
        self._before_begin = before_begin
        self._rounds_before = rounds_before
        self._plan: SlotPlan | None = None
        self._ahead: Future[SlotPlan] | None = None
        """The plan of the next round, where it was asked for ahead."""
        self._sent: tuple[str, ...] = ()
        self._unreachable: tuple[str, ...] = ()
        self._model: ArrayRecord | None = None

    def begin_ahead(self, server_round: int) -> None:
        """Begin the slot of this round, if there is one, while this thread does something else."""
        if self._books is not None and server_round <= len(self._slots):
            self._ahead = self._books.submit(self._begin, self._slots[server_round - 1])

    def _begin(self, slot: int) -> SlotPlan:
        self._before_begin()
        return self._control.begin_slot(slot, self._stage, self._wait_s)

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> list[Message]:
        """Ask for the slot's decision; one message for each awake node that has work and a living process.

        Returns:
            A list, empty when all sleep: then the round passes and the model stays as it is.
        """
        server_round += self._rounds_before
        slot = self._slots[server_round - 1]
        ahead, self._ahead = self._ahead, None
        self._plan = self._begin(slot) if ahead is None else ahead.result()
        called = call(self._plan, self._numbers, set(grid.get_node_ids()))
        self._sent, self._unreachable = called.sent, called.unreachable
        if not called.chosen:
            return []
        configs = {self._numbers[decision.node_id]: slot_config(decision) for decision in called.chosen}
        numbers = open_round(self.inner, configs, grid)
        self._model = arrays
        if not numbers:
            return []
        with strategy_errors(self.inner, server_round, "configure_train"):
            templates = {
                message.metadata.dst_node_id: message.content
                for message in self.inner.configure_train(server_round, arrays, config, Chosen(grid, numbers))
            }
        return [
            Message(
                _with_config(templates[number], configs[number]),
                dst_node_id=number,
                message_type=MessageType.TRAIN,
                group_id=group_of(slot),
            )
            for number in numbers
        ]

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Aggregate what came back, then close and book the slot. Nothing: the model stays as it is."""
        server_round += self._rounds_before
        if self._plan is None:
            raise RuntimeError("aggregate_train before configure_train: Flower calls them in turn")
        result, usable = read_replies(self._sent, self._unreachable, replies, self._names)
        slot, wait_s = self._plan.slot, self._wait_s
        parameters = sum(
            count_parameters(record) for reply in usable for record in reply.content.array_records.values()
        )
        if usable:
            with strategy_errors(self.inner, server_round, "close_round"):
                parameters += close_round(self.inner, usable)
        examples = self._evaluated_examples(server_round)

        def close() -> SlotSummary:
            return self._control.end_slot(slot, wait_s, parameters, examples)

        closing = None if self._books is None else self._books.submit(close)
        arrays: ArrayRecord | None = None
        metrics: MetricRecord | None = None
        if usable:
            with strategy_errors(self.inner, server_round):
                arrays, metrics = self.inner.aggregate_train(server_round, usable)
                if arrays is not None:
                    assert self._model is not None  # nodes answered, so that they were sent one
                    arrays = like(arrays, self._model)
            result = replace(result, aggregated=arrays is not None)
        summary = close() if closing is None else closing.result()
        self._on_round(server_round, self._plan, result, summary, arrays)
        return arrays, metrics

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> list[Message]:
        """None: the global model is evaluated centrally, on data that no node has seen."""
        return []

    def aggregate_evaluate(self, server_round: int, replies: Iterable[Message]) -> MetricRecord | None:
        return None

    def summary(self) -> None:
        self.inner.summary()


@contextmanager
def strategy_errors(strategy: Strategy, server_round: int, method: str = "aggregate_train") -> Iterator[None]:
    """The boundary to user strategies: their exceptions, with round, file and line; the line of ``method`` where
    what it returned cannot be used."""
    try:
        yield
    except Exception as error:
        raise StrategyError(
            f"strategy {type(strategy).__name__} failed in round {server_round}: "
            f"{type(error).__name__}: {error} (at {place_in(error, strategy, method)})"
        ) from error


def like(arrays: ArrayRecord, model: ArrayRecord) -> ArrayRecord:
    """``arrays`` in the order and the number types of ``model``: strategies compute in wider types than nodes train in.

    Raises StrategyError for other names or shapes.
    """
    if set(arrays) != set(model):
        raise StrategyError(f"it made the parameters {sorted(arrays)}; the model has {sorted(model)}")
    made = ArrayRecord()
    for name, wanted in model.items():
        array = arrays[name]
        if tuple(array.shape) != tuple(wanted.shape):
            raise StrategyError(
                f"it made parameter {name} of shape {tuple(array.shape)}; the model's is {tuple(wanted.shape)}"
            )
        same = array.dtype == wanted.dtype
        made[name] = array if same else Array(np.ascontiguousarray(array.numpy(), dtype=wanted.dtype))
    return made


def count_parameters(arrays: ArrayRecord) -> int:
    """Scalars in a model."""
    total = 0
    for array in arrays.values():
        size = 1
        for length in array.shape:
            size *= int(length)
        total += size
    return total


def _with_config(template: RecordDict, extra: Mapping[str, ConfigValue]) -> RecordDict:
    """The strategy's records, the same array record object for all nodes, and a configuration of the node's
    own.
    """
    content = RecordDict(dict(template.items()))
    config = ConfigRecord()
    config.update(template.config_records.get(CONFIG, ConfigRecord()))
    config.update(extra)
    content[CONFIG] = config
    return content
