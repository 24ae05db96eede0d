"""A scripted coordinator and nodes of a Flower grid."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from flwr.app import Array, ArrayRecord, Error, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import FedAvg

from coordinator.adapters.flower_strategy import Decided
from edge_node.adapters.flower_private import bind_identity, empty_run, stamp
from protos.messages.runner import SlotPlan, SlotSummary
from protos.messages.slot import Decision, Guest
from protos.messages.terms import Stage

NUMBERS = {"a": 2, "b": 3, "c": 4}


def decision(node, slot, stage, own=0, awake=True, guests=()):
    return Decision(
        node_id=node,
        epoch=1,
        slot=slot,
        stage=stage,
        awake=awake,
        own_batches=own,
        sends=(),
        guests=tuple(Guest(owner, batches) for owner, batches in guests),
        export_uj=0,
        charge_uj=0,
        discharge_uj=0,
        deadline_s=5.0,
    )


@dataclass
class Script:
    """A coordinator with scripted decisions that records the requests."""

    batches: dict[str, int]
    asleep: set[str] = field(default_factory=set)
    calls: list = field(default_factory=list)

    def begin_slot(self, slot, stage, wait_s):
        self.calls.append(("begin", slot, stage))
        decisions = tuple(
            decision(n, slot, stage, b, awake=n not in self.asleep) for n, b in self.batches.items()
        )
        return SlotPlan(1, slot, decisions, (), "rule", None, 0.0)

    def end_slot(self, slot, wait_s, aggregated_parameters=0, evaluated_examples=0):
        self.calls.append(("end", slot, aggregated_parameters, evaluated_examples))
        return SlotSummary(slot, 0, 0, 0, 0, 0, 0, 0, 0, (), ())


class Nodes(Grid):
    """Nodes that add their number of batches to every weight; some are dead, silent or failing."""

    def __init__(self, dead=(), failing=(), silent=(), idle=()):
        bind_identity(1)
        self.dead, self.failing, self.silent, self.idle = set(dead), set(failing), set(silent), set(idle)
        self.seen = []
        self.timeouts = []

    def set_run(self, run): ...

    @property
    def run(self):
        return empty_run(1)

    def create_message(self, content, message_type, dst_node_id, group_id, ttl=None):
        return Message(content, dst_node_id, message_type, group_id=group_id, ttl=ttl)

    def get_node_ids(self):
        return [n for n in NUMBERS.values() if n not in self.dead]

    def push_messages(self, messages):
        raise NotImplementedError("the strategies under test send and receive in one call")

    def pull_messages(self, message_ids):
        raise NotImplementedError("the strategies under test send and receive in one call")

    def send_and_receive(self, messages, *, timeout=None):
        self.timeouts.append(timeout)
        replies = []
        for message in reversed(list(messages)):  # replies do not arrive in the order of sending
            stamp(message)
            self.seen.append(message)
            number = message.metadata.dst_node_id
            if number in self.silent:
                continue
            if number in self.failing:
                replies.append(Message(Error(2, "broken"), reply_to=message))
                continue
            replies.append(self._work(message, number))
        return replies

    def _work(self, message, number):
        batches = 0 if number in self.idle else int(message.content["config"]["batches"])
        metrics = MetricRecord({"num-examples": 10 * batches, "loss": float(number), "batches": batches})
        content = RecordDict({"metrics": metrics})
        if message.metadata.message_type == "train":
            content["arrays"] = ArrayRecord(
                {k: Array(a.numpy() + batches) for k, a in message.content["arrays"].items()}
            )
        return Message(content, reply_to=message)


def zeros():
    return ArrayRecord({"w": Array(np.zeros((2, 2), np.float32)), "b": Array(np.zeros(1, np.float32))})


def decided(control, inner=None, **options):
    inner = inner or FedAvg()
    return Decided(inner, control, NUMBERS, [4, 5], Stage.DEVELOPMENT, wait_s=1.0, **options)
