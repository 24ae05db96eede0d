"""A grid on which a round of training is a conversation: nodes train a part of the model, one of them the rest.

A strategy sends training messages and gets trained models back, as on any grid. Here every such message becomes the
steps of its node: what the node sends goes on to the server's node, in one message with what the others send, and the
answers go back. The last answers of node and server make the model that the strategy gets.

A node that fails drops out; where the server fails, or refuses, all do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from flwr.app import ArrayRecord, ConfigRecord, Error, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp import Grid

from coordinator.adapters.flower_slots import ConfigValue
from coordinator.adapters.inner_grid import InnerGrid
from protos.flower_names import ARRAYS, CLIENT_APP_RAISED, CONFIG, METRICS

LOWER, UPPER = "query.lower", "query.upper"
"""Message types of a node's own part, and of the rest (edge_node.adapters.flower_parts)."""
PART_OF_SLOT = ("slot", "epoch", "stage", "batches")
"""Settings that differ between nodes, or are no options of the training."""


@dataclass(frozen=True)
class Division:
    """How a model is divided among the nodes."""

    server: str
    """Node id of the node with the rest."""
    lower: Callable[[ArrayRecord, str], ArrayRecord]
    """A node's own part of a model, by its name."""
    upper: Callable[[ArrayRecord], ArrayRecord]
    """The rest."""


@dataclass
class _Round:
    """A round under way."""

    slot: int
    deadline_s: float
    end_s: float | None
    asked: dict[str, Message]
    """Training messages by node."""
    replies: list[Message] = field(default_factory=list)
    """Errors of nodes that dropped out."""
    finished: dict[str, Message] = field(default_factory=dict)
    """Last answers of the nodes."""
    steps: int = 0

    def drop(self, node: str, error: Error) -> None:
        self.replies.append(Message(error, reply_to=self.asked.pop(node)))


class PartsGrid(InnerGrid):
    """Conversations in place of training messages; all other messages pass.

    Args:
        inner: The fleet's grid.
        division: Of the model.
        names: Node id by Flower number.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        inner: Grid,
        division: Division,
        names: Mapping[int, str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(inner)
        self._division, self._names, self._clock = division, dict(names), clock
        self._numbers = {name: number for number, name in names.items()}

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterable[Message]:
        sent = list(messages)
        training = [message for message in sent if message.metadata.message_type == MessageType.TRAIN]
        others = [message for message in sent if message.metadata.message_type != MessageType.TRAIN]
        replies = list(self._inner.send_and_receive(others, timeout=timeout)) if others else []
        return [*replies, *self._round(training, timeout)] if training else replies

    # --- a round ---------------------------------------------------------------------------------------------

    def _round(self, messages: Sequence[Message], timeout: float | None) -> list[Message]:
        asked = {self._names[message.metadata.dst_node_id]: message for message in messages}
        first = messages[0].content.config_records[CONFIG]
        options = _options(first)
        for name, message in asked.items():
            if _options(message.content.config_records[CONFIG]) != options:
                raise ValueError(
                    f"the strategy gives {name} other training options than the first node; where a model is trained "
                    "in parts, all nodes have the same ones"
                )
        end_s = None if timeout is None else self._clock() + timeout
        now = _Round(int(_number(first, "slot")), _number(first, "deadline-s"), end_s, dict(asked))
        model = messages[0].content.array_records[ARRAYS]
        nodes = [self._names[number] for number in sorted(self._names) if self._names[number] in asked]
        begin = {"do": "begin", "slot": now.slot, "deadline-s": now.deadline_s, **options}
        upper = RecordDict(
            {ARRAYS: self._division.upper(model), CONFIG: ConfigRecord({**begin, "nodes": nodes})}
        )
        if self._server(now, upper) is None:
            return now.replies
        first_steps = {
            name: RecordDict(
                {
                    ARRAYS: self._division.lower(message.content.array_records[ARRAYS], name),
                    CONFIG: ConfigRecord(
                        {**begin, "deadline-s": _number(message.content.config_records[CONFIG], "deadline-s")}
                    ),
                }
            )
            for name, message in asked.items()
        }
        waiting = self._nodes(now, first_steps)
        while waiting:
            content = RecordDict(
                {CONFIG: _do("answer", now), **{name: waiting[name] for name in nodes if name in waiting}}
            )
            answers = self._server(now, content)
            if answers is None:
                return now.replies
            steps = {
                name: RecordDict({ARRAYS: answers.array_records[name], CONFIG: _do("go-on", now)})
                for name in waiting
            }
            waiting = self._nodes(now, steps)
        if now.finished:
            rest = self._server(now, RecordDict({CONFIG: _do("end", now)}))
            if rest is None:
                return now.replies
            now.replies += [
                _whole(now.asked[name], reply, rest.array_records.get(name), model)
                for name, reply in now.finished.items()
            ]
        return now.replies

    def _nodes(self, now: _Round, contents: Mapping[str, RecordDict]) -> dict[str, ArrayRecord]:
        """Send every node its step. Returns what those send that are not finished."""
        waiting: dict[str, ArrayRecord] = {}
        for name, reply in self._send(now, LOWER, contents).items():
            if reply.has_error():
                now.drop(name, reply.error)
            elif reply.content.metric_records[METRICS]["done"]:
                now.finished[name] = reply
            else:
                waiting[name] = reply.content.array_records[ARRAYS]
        for name in contents:
            if name in now.asked and name not in now.finished and name not in waiting:
                del now.asked[name]  # silent: missing, as on any grid
        return waiting

    def _server(self, now: _Round, content: RecordDict) -> RecordDict | None:
        """The server's answer; None where it fails, and with it the round."""
        server = self._division.server
        reply = self._send(now, UPPER, {server: content}).get(server)
        if reply is not None and not reply.has_error():
            return reply.content
        reason = (
            f"{server}, which trains the rest of the model, did not answer in time"
            if reply is None
            else reply.error.reason or f"error {reply.error.code}"
        )
        for name in list(now.asked):
            now.drop(name, Error(CLIENT_APP_RAISED, f"{name}: {reason}"))
        return None

    def _send(self, now: _Round, kind: str, contents: Mapping[str, RecordDict]) -> dict[str, Message]:
        now.steps += 1
        messages = [
            Message(
                content,
                dst_node_id=self._numbers[name],
                message_type=kind,
                # Its own group for every step: a repeat is answered, and another step is no repeat.
                group_id=f"slot-{now.slot}.{now.steps}",
            )
            for name, content in contents.items()
        ]
        left_s = None if now.end_s is None else max(0.0, now.end_s - self._clock())
        replies = self._inner.send_and_receive(messages, timeout=left_s)
        return {self._names[reply.metadata.src_node_id]: reply for reply in replies}


def _whole(asked: Message, reply: Message, rest: ArrayRecord | None, model: ArrayRecord) -> Message:
    """A node's answer to its training message: its part and the rest that completes it, in the model's order."""
    parts = dict(reply.content.array_records[ARRAYS])
    if parts and rest is not None:
        parts |= dict(rest)
    arrays = ArrayRecord({name: parts[name] for name in model if name in parts})
    metrics = dict(reply.content.metric_records[METRICS])
    del metrics["done"]
    return Message(RecordDict({METRICS: MetricRecord(metrics), ARRAYS: arrays}), reply_to=asked)


def _number(config: ConfigRecord, key: str) -> float:
    value = config[key]
    assert isinstance(value, int | float)  # of slot_config
    return float(value)


def _options(config: ConfigRecord) -> dict[str, ConfigValue]:
    return {key: value for key, value in config.items() if key not in (*PART_OF_SLOT, "deadline-s")}


def _do(what: str, now: _Round) -> ConfigRecord:
    return ConfigRecord({"do": what, "slot": now.slot})
