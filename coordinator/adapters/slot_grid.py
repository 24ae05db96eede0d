"""A Flower grid whose training rounds are slots, for a ServerApp that knows nothing of slots.

A slot begins at the first training message of a round. Nodes that are awake and have work get their messages, each
with its allowance; those that sleep, or have no work in the slot, are answered for at once with a typed error
(protos.flower_names.NOT_IN_SLOT). All nodes stay in ``get_node_ids``: Flower's sampling waits for one that is missing.
What follows, e.g. evaluation, belongs to the same slot, which ends at the next round's first message, or with the app.

Where work may wait (``window`` > 1) a round lasts that many slots: a node trains in the one that the policy chose.
"""

from __future__ import annotations

import logging
import math
import threading
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from flwr.app import ConfigRecord, Error, Message, RecordDict
from flwr.serverapp import Grid

from protos.flower_metrics import ACCURACY, EXAMPLES, LOSS, TRAIN_LOSS, figure_of, numbers_of, weighted_mean
from protos.flower_names import NODE_UNAVAILABLE, NOT_IN_SLOT, SLOT
from protos.messages.terms import Stage

from .flower_server import Evaluation, Link, RunRecord, SlotOutcome, Watch
from .flower_slots import Called, call, slot_config
from .flower_strategy import Replies, count_parameters
from .inner_grid import InnerGrid

logger = logging.getLogger(__name__)

STAGE = Stage.DEVELOPMENT
"""Of all slots in which an app runs."""
Answered = list[tuple[Message, Message]]
"""Messages with their replies."""


class AppError(RuntimeError):
    """The ServerApp raised, or its rounds are not those of the run."""


@dataclass
class _Slot:
    called: Called
    trained: Answered = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    """Nodes that got a training message."""


@dataclass
class _Round:
    number: int
    group: str
    slots: int = 0
    """Of it that have begun."""
    asked: set[int] = field(default_factory=set)
    """Nodes whose messages were answered, by themselves or in their place."""
    sent: set[int] = field(default_factory=set)
    """Nodes that got a training message."""
    trained: Answered = field(default_factory=list)
    """Of the whole round, in all its slots."""
    evaluated: list[Message] = field(default_factory=list)
    central: Mapping[str, float] | None = None
    """Figures of the app's own evaluation on the server."""
    is_over: bool = False


class SlotGrid(InnerGrid):
    """Messages of a ServerApp to the nodes of ``inner``, in the slots of a run.

    Args:
        inner: The fleet's grid.
        link: Coordinator and nodes.
        slots: All slots of the run.
        window: Slots that a round lasts.
        watch: Hears of the slots.
        record: Filled as the run goes.
    """

    def __init__(
        self, inner: Grid, link: Link, slots: Sequence[int], window: int, watch: Watch, record: RunRecord
    ) -> None:
        super().__init__(inner)
        self._link, self._watch, self.record = link, watch, record
        self._slots, self._window, self._next = tuple(slots), window, 0
        self._names = {number: name for name, number in link.numbers.items()}
        self._slot: _Slot | None = None
        self._round: _Round | None = None
        self._pushed: dict[str, Message] = {}
        self._lock = threading.RLock()
        """Strategies of Flower's older interface send from a thread for each node."""

    # --- Flower's interface ---------------------------------------------------------------------------------

    def get_node_ids(self) -> list[int]:
        """All nodes of the run, those that sleep and those that are lost among them."""
        return list(self._link.numbers.values())

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        """Have messages answered, as ``send_and_receive``; the replies wait to be pulled."""
        sent = list(messages)
        with self._lock:
            answered = self._answered(sent, None)
            ids = {id(message): message.metadata.message_id or uuid.uuid4().hex for message in sent}
            self._pushed |= {ids[id(message)]: reply for message, reply in answered}
        return list(ids.values())

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        with self._lock:
            return [self._pushed.pop(each) for each in message_ids if each in self._pushed]

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> list[Message]:
        """Replies, typed errors of nodes that sleep or have no work among them. Raises AppError where the run has no
        slot left for another round."""
        with self._lock:
            return [reply for _, reply in self._answered(list(messages), timeout)]

    # --- what the runner does -------------------------------------------------------------------------------

    @property
    def rounds(self) -> int:
        """Rounds begun so far."""
        return 0 if self._round is None else self._round.number

    def evaluated(self, server_round: int, figures: Mapping[str, float]) -> None:
        """The app has evaluated a model on its server; round 0: the model before training."""
        if server_round == 0:
            if (found := _evaluation(figures, 0)) is not None:
                self.record.initial_evaluations[STAGE] = found
        elif self._round is not None:
            self._round.central = figures

    def finish(self) -> None:
        """The app has ended: end its last slot. Raises AppError where slots of the run are left."""
        with self._lock:
            self._end_slot(whole_round=True)
            if not self.rounds:
                raise AppError("the app's ServerApp ended and trained in no round; nothing was measured")
            if left := len(self._slots) - self._next:
                raise AppError(
                    f"the app's ServerApp ended after {self.rounds} rounds, and {left} of {len(self._slots)} slots are "
                    f"left: set stages.development = {self._next}"
                    + (f" ({self.rounds} rounds of {self._window} slots)" if self._window > 1 else "")
                )

    # --- messages -------------------------------------------------------------------------------------------

    def _answered(self, messages: list[Message], timeout: float | None) -> Answered:
        training = [message for message in messages if _trains(message)]
        others = [message for message in messages if not _trains(message)]
        answered: Answered = []
        if training:
            answered += self._train(training, timeout)
        if others:
            answered += self._beside(others, timeout)
        if training and self._round is not None:
            self._round.asked |= {message.metadata.dst_node_id for message in training}
        return answered

    def _train(self, messages: list[Message], timeout: float | None) -> Answered:
        """Messages of a round, in all slots that it has left; a call that failed goes on where it did."""
        if not self._joins(messages):
            self._end_slot(whole_round=True)
            self._begin_slot(_Round(self.rounds + 1, messages[0].metadata.group_id))
        assert self._round is not None
        under_way = self._round
        heard = {message.metadata.dst_node_id: reply for message, reply in under_way.trained}
        answered = [(m, heard[m.metadata.dst_node_id]) for m in messages if m.metadata.dst_node_id in heard]
        waiting = [m for m in messages if m.metadata.dst_node_id not in under_way.sent]
        while True:
            if self._slot is None:
                self._begin_slot(under_way)
            work = self._may_work()
            answered += self._send([m for m in waiting if m.metadata.dst_node_id in work], timeout)
            waiting = [m for m in waiting if m.metadata.dst_node_id not in work]
            if under_way.slots == self._window:
                return answered + [(message, self._instead(message)) for message in waiting]
            self._end_slot(whole_round=False)

    def _joins(self, messages: list[Message]) -> bool:
        """Whether these are further messages of the round under way: strategies of Flower's older interface send one by
        one. Those of a call that failed are sent again."""
        return (
            self._round is not None
            and not self._round.is_over
            and bool(self._round.group)
            and all(
                message.metadata.group_id == self._round.group
                and message.metadata.dst_node_id not in self._round.asked
                for message in messages
            )
        )

    def _may_work(self) -> dict[int, ConfigRecord]:
        """Allowances of the slot, by node number."""
        assert self._slot is not None
        return {
            self._link.numbers[decision.node_id]: ConfigRecord(slot_config(decision))
            for decision in self._slot.called.chosen
        }

    def _send(self, messages: list[Message], timeout: float | None) -> Answered:
        """Training messages with their allowances, and their replies."""
        assert self._slot is not None
        assert self._round is not None
        allowances = self._may_work()
        plain = [message.content for message in messages]
        for message in messages:
            content = RecordDict(
                dict(message.content.items())
            )  # the app's records, shared by all its messages
            content[SLOT] = allowances[message.metadata.dst_node_id]
            message.content = content
        try:
            answered = self._through(messages, timeout)
        finally:
            for message, content in zip(messages, plain, strict=True):
                message.content = content
        self._slot.sent += [self._names[message.metadata.dst_node_id] for message in messages]
        self._slot.trained += answered
        self._round.trained += answered
        self._round.sent |= {message.metadata.dst_node_id for message in messages}
        return answered

    def _beside(self, messages: list[Message], timeout: float | None) -> Answered:
        """Messages that train nothing: to all nodes that are awake; outside of slots to all."""
        asleep: set[int] = set()
        if self._slot is not None:
            decisions = self._slot.called.plan.decisions
            asleep = {self._link.numbers[each.node_id] for each in decisions if not each.awake}
        through = [message for message in messages if message.metadata.dst_node_id not in asleep]
        instead = [(m, self._instead(m)) for m in messages if m.metadata.dst_node_id in asleep]
        answered = self._through(through, timeout)
        if self._round is not None:
            self._round.evaluated += [reply for message, reply in answered if _evaluates(message)]
        return answered + instead

    def _through(self, messages: list[Message], timeout: float | None) -> Answered:
        if not messages:
            return []
        limit = self._link.timeout_s if timeout is None else min(timeout, self._link.timeout_s)
        replies = self._inner.send_and_receive(messages, timeout=limit)
        by_id = {reply.metadata.reply_to_message_id: reply for reply in replies}
        # In the order of sending, not of arrival: sums of floats depend on it, and runs must repeat.
        return [
            (message, by_id[message.metadata.message_id])
            for message in messages
            if message.metadata.message_id in by_id
        ]

    def _instead(self, message: Message) -> Message:
        """Typed reply in place of a node that does not take part."""
        number = message.metadata.dst_node_id
        name = self._names[number]
        if self._slot is not None and name in self._slot.called.unreachable:
            return Message(Error(NODE_UNAVAILABLE, f"{name}: its process is dead"), reply_to=message)
        slot = "" if self._slot is None else f" in slot {self._slot.called.plan.slot}"
        return Message(Error(NOT_IN_SLOT, f"{name} sleeps or has no work{slot}"), reply_to=message)

    # --- slots ----------------------------------------------------------------------------------------------

    def _begin_slot(self, of: _Round) -> None:
        """The next slot, of that round. What changes, changes once nothing can fail any more; the coordinator answers a
        repeated call as the first."""
        if self._next == len(self._slots):
            raise AppError(
                f"the app's ServerApp began round {of.number}, and all {len(self._slots)} slots of the run are over; "
                f"set stages.development to its rounds"
                + (f" times {self._window} (limits.deadline_slots + 1)" if self._window > 1 else "")
                + ", or let task.run_config ask for fewer rounds"
            )
        self._watch.before_begin()
        plan = self._link.control.begin_slot(self._slots[self._next], STAGE, self._link.wait_s)
        slot = _Slot(call(plan, self._link.numbers, set(self._inner.get_node_ids())))
        self._slot, self._round, self._next, of.slots = slot, of, self._next + 1, of.slots + 1

    def _end_slot(self, *, whole_round: bool) -> None:
        """Close and book the slot under way, if there is one. ``whole_round``: its round is over."""
        slot = self._slot
        if slot is None or self._round is None:
            return
        good = [reply for _, reply in slot.trained if not reply.has_error()]
        parameters = sum(
            count_parameters(record) for reply in good for record in reply.content.array_records.values()
        )
        number = slot.called.plan.slot
        summary = self._link.control.end_slot(number, self._link.wait_s, parameters)
        replies = self._replies(slot)
        outcome = SlotOutcome(number, STAGE, None, slot.called.plan, replies, summary)
        if whole_round:
            outcome = replace(
                outcome,
                server_round=self._round.number,
                replies=replace(
                    replies, answered=self._answerers(self._round.trained), metrics=self._figures()
                ),
                evaluation=self._evaluation(),
                not_asked=tuple(name for name, n in self._link.numbers.items() if n not in self._round.asked),
            )
        self.record.outcomes.append(outcome)
        self._slot, self._round.is_over = None, whole_round
        self._watch.on_slot(outcome)

    def _replies(self, slot: _Slot) -> Replies:
        failed = {
            self._names[reply.metadata.src_node_id]: reply.error.reason or f"error {reply.error.code}"
            for _, reply in slot.trained
            if reply.has_error() and reply.error.code != NOT_IN_SLOT
        }
        gone = {
            self._names[reply.metadata.src_node_id]
            for _, reply in slot.trained
            if reply.has_error() and reply.error.code == NODE_UNAVAILABLE
        }
        heard = {self._names[message.metadata.dst_node_id] for message, _ in slot.trained}
        sent = tuple(dict.fromkeys(slot.sent))
        return Replies(
            sent=sent,
            answered=self._answerers(slot.trained),
            failed=failed,
            raised=tuple(name for name in failed if name not in gone),
            missing=tuple(name for name in sent if name not in heard),
            unreachable=slot.called.unreachable,
        )

    def _answerers(self, answered: Answered) -> tuple[str, ...]:
        names = [self._names[reply.metadata.src_node_id] for _, reply in answered if not reply.has_error()]
        return tuple(dict.fromkeys(names))

    def _figures(self) -> dict[str, float]:
        """Of the round's training: examples in all, and the mean loss."""
        assert self._round is not None
        rows = [numbers_of(reply) for _, reply in self._round.trained if not reply.has_error()]
        found = {"num-examples": sum(figure_of(row, EXAMPLES) or 0.0 for row in rows)}
        loss = weighted_mean(rows, TRAIN_LOSS)
        return found if loss is None else {**found, "loss": loss}

    def _evaluation(self) -> Evaluation | None:
        """As the app's own figures have it: of its server where it evaluates there, else the mean over its nodes."""
        assert self._round is not None
        if self._round.central is not None:
            return _evaluation(self._round.central, 0)
        rows = [numbers_of(reply) for reply in self._round.evaluated if not reply.has_error()]
        means = {ACCURACY[0]: weighted_mean(rows, ACCURACY), LOSS[0]: weighted_mean(rows, LOSS)}
        examples = int(sum(figure_of(row, EXAMPLES) or 0.0 for row in rows))
        return _evaluation({name: mean for name, mean in means.items() if mean is not None}, examples)


def _evaluation(figures: Mapping[str, float], examples: int) -> Evaluation | None:
    """None without any figure that tells accuracy or loss. Raises AppError where one is not finite."""
    accuracy, loss = figure_of(figures, ACCURACY), figure_of(figures, LOSS)
    for name, value in (("accuracy", accuracy), ("loss", loss)):
        if value is not None and not math.isfinite(value):
            raise AppError(
                f"the app's learning ran away: its {name} in an evaluation is {value}; lower its learning rate"
            )
    if accuracy is not None and not 0 <= accuracy <= 1:
        logger.warning("an accuracy of %g is no share of 0 to 1; it is left out", accuracy)
        accuracy = None
    return None if accuracy is None and loss is None else Evaluation(loss, accuracy, examples)


def _trains(message: Message) -> bool:
    return message.metadata.message_type.partition(".")[0] == "train"


def _evaluates(message: Message) -> bool:
    return message.metadata.message_type.partition(".")[0] == "evaluate"
