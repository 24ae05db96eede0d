"""The server's side of one round of secure aggregation in Flower messages; see edge_node/adapters/flower_masking.py for
their content, protos/masking for the mathematics."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict
from flwr.serverapp import Grid

from coordinator.adapters.flower_slots import ConfigValue
from protos.flower_names import ARRAYS, CONFIG, MASKED, MASKING, METRICS
from protos.masking import cost, masks
from protos.masking.party import LEAST_NODES, PublicKeys, about, unmask

log = logging.getLogger("flwr")


class MaskedSum:
    """One round: keys, shares, masked updates, shares again. A node that does not answer in time is out of the round.

    Args:
        threshold_fraction: Share of the nodes that gave keys whose answers are needed, above a half; LEAST_NODES at
            least.
        configs: Settings of the round by node number.
        grid: Takes the messages; each conversation ends with the deadline of the slot.
    """

    def __init__(
        self, threshold_fraction: float, configs: Mapping[int, Mapping[str, ConfigValue]], grid: Grid
    ) -> None:
        self._fraction, self._configs, self._grid = threshold_fraction, configs, grid
        self._slot = int(next(iter(configs.values()))["slot"])  # type: ignore[arg-type]
        self._public: dict[int, PublicKeys] = {}
        self._inbox: dict[int, dict[int, bytes]] = {}
        self._threshold = self._bits = 0
        self._most: dict[int, int] = {}
        self._revealed: dict[int, dict[int, bytes]] = {}
        self._alive: list[int] = []

    def agree(self) -> list[int]:
        """Keys and shares. Returns the nodes whose updates can be masked; none where they are too few."""
        found = self._ask("query.keys", {number: {} for number in self._configs})
        self._public = {n: PublicKeys(told["sealing"], told["masking"]) for n, told in found.items()}
        self._most = {n: int(told["most-weight"]) for n, told in found.items()}
        self._threshold = max(LEAST_NODES, math.ceil(self._fraction * len(self._public)))
        if len(self._public) < LEAST_NODES:
            return self._too_few("gave keys", len(self._public))
        nodes = sorted(self._public)
        terms: dict[str, Any] = {
            "nodes": nodes,
            "sealing": [self._public[n].sealing for n in nodes],
            "masking": [self._public[n].masking for n in nodes],
            "threshold": self._threshold,
        }
        told = self._ask("query.shares", dict.fromkeys(nodes, terms))
        if len(told) < self._threshold:
            return self._too_few("shared secrets", len(told))
        self._inbox = {number: {} for number in told}
        for sender, shares in told.items():
            for receiver, sealed in zip(shares["to"], shares["sealed"], strict=True):
                if receiver in self._inbox:
                    self._inbox[receiver][sender] = sealed
        self._bits = masks.scale_bits(sum(self._most[n] for n in told), len(told))
        return [number for number in self._configs if number in told]

    def _too_few(self, what: str, count: int) -> list[int]:
        log.warning(
            "secure aggregation: %d nodes %s in slot %s, needed are %d; the round makes no model",
            *(count, what, self._slot, self._threshold),
        )
        self._inbox = {}
        return []

    def terms(self, number: int) -> dict[str, ConfigRecord]:
        """Record of a node's training message."""
        inbox = self._inbox[number]
        record: dict[str, Any] = {
            "from": list(inbox),
            "sealed": list(inbox.values()),
            "bits": self._bits,
            "most-weight": self._most[number],
        }
        return {MASKING: ConfigRecord(record)}

    def collect(self, replies: Sequence[Message], values: int) -> float:
        """Ask those that answered for the shares that unmask their sum. Returns the server's operations with them."""
        self._alive = [reply.metadata.src_node_id for reply in replies]
        if len(self._alive) < self._threshold or not self._inbox:
            self._too_few("sent masked updates", len(self._alive))
            return 0.0
        dropped = [number for number in self._inbox if number not in self._alive]
        told = self._ask(
            "query.unmask", {number: {"alive": self._alive, "dropped": dropped} for number in self._alive}
        )
        self._revealed = {
            number: dict(zip(shares["of"], shares["shares"], strict=True)) for number, shares in told.items()
        }
        return cost.unmasking(len(self._alive), len(dropped), values, self._threshold)

    def mean(self, model: ArrayRecord, replies: Sequence[Message], equal_weights: bool) -> ArrayRecord | None:
        """The model moved by the mean of the updates; None where too few nodes revealed shares."""
        if len(self._revealed) < self._threshold:
            self._too_few("revealed shares", len(self._revealed))
            return None
        arrays = {name: array.numpy() for name, array in model.items()}
        values = sum(array.size for array in arrays.values())
        sent = [np.frombuffer(_payload(reply), "<u4") for reply in replies]
        dropped = [number for number in self._inbox if number not in self._alive]
        total = unmask(
            masks.add(sent, values),
            self._public,
            self._revealed,
            self._alive,
            dropped,
            about(self._slot),
        )
        weight = float(len(replies)) if equal_weights else sum(_examples(reply) for reply in replies)
        update, place, made = masks.from_ring(total, weight, self._bits), 0, ArrayRecord()
        for name, array in arrays.items():
            part = update[place : place + array.size].reshape(array.shape)
            made[name] = Array(np.asarray(array + part, dtype=array.dtype))
            place += array.size
        return made

    def _ask(self, kind: str, terms: Mapping[int, Mapping[str, Any]]) -> dict[int, Mapping[str, Any]]:
        """What nodes answer to a query, by number; those that do not, or with an error, are omitted."""
        messages, longest_s = [], 0.0
        for number, told in terms.items():
            config = ConfigRecord(dict(self._configs[number]))
            longest_s = max(longest_s, float(self._configs[number]["deadline-s"]))  # type: ignore[arg-type]
            content = RecordDict({CONFIG: config, **({MASKING: ConfigRecord(dict(told))} if told else {})})
            group = f"slot-{self._slot}-{kind}"
            messages.append(Message(content, number, kind, group_id=group))
        found: dict[int, Mapping[str, Any]] = {}
        for reply in self._grid.send_and_receive(messages, timeout=longest_s):
            if reply.has_error():
                log.warning(
                    "secure aggregation: %s of node %d: %s",
                    kind,
                    reply.metadata.src_node_id,
                    reply.error.reason,
                )
            else:
                found[reply.metadata.src_node_id] = dict(reply.content.config_records[MASKING])
        # In the order of asking, not of arrival: runs repeat.
        return {number: found[number] for number in terms if number in found}


def _payload(reply: Message) -> bytes:
    """Bytes of the masked update, after numpy's header."""
    array = reply.content.array_records[ARRAYS][MASKED]
    return np.ascontiguousarray(array.numpy(), dtype="<u4").tobytes()


def _examples(reply: Message) -> float:
    count = reply.content.metric_records[METRICS]["num-examples"]
    assert isinstance(count, int | float)  # read_replies found a number above 0
    return float(count)
