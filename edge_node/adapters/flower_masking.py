"""A node's side of secure aggregation in Flower messages; its mathematics are in protos/masking.

| message | content beside ``config`` | reply |
|---|---|---|
| ``query.keys`` | | ``masking``: public keys, most examples |
| ``query.shares`` | ``masking``: keys of all nodes, threshold | ``masking``: sealed shares for each other node |
| ``train`` | ``masking``: sealed shares for this node, binary places | ``arrays``: the masked update |
| ``query.unmask`` | ``masking``: who answered, who did not | ``masking``: a share of each |

All of it is metered in the slot: operations as protos/masking/cost.py counts them, bytes of keys and shares as those of
models. Secrets are in memory alone, of one round at a time, and never leave the process but as shares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from flwr.app import Array as FlowerArray
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict

from edge_node.slots.beside import Done
from edge_node.slots.link import Link
from edge_node.workload import Parameters, TrainResult
from protos.flower_names import CONFIG, MASKED, MASKING, METRICS
from protos.masking import cost, masks
from protos.masking.party import MaskingError, Party, PublicKeys, about
from protos.masking.records import record_bytes


class MaskingSide:
    """One node's rounds of secure aggregation, one at a time."""

    def __init__(self) -> None:
        self._party: Party | None = None
        self._slot = -1
        self._nodes = self._threshold = 0
        self._sent: ArrayRecord | None = None

    def keys(self, message: Message, link: Link) -> Message:
        """Begin a round. ``most-examples``: its update's weight is no more."""
        told = _config(message)
        slot = int(told["slot"])
        link.wait_ready(slot, float(told["deadline-s"]))
        batches = int(told["batches"])
        task = link.node.config.task
        party = Party(message.metadata.dst_node_id, about(slot))
        self._party, self._slot, self._sent = party, slot, None
        most = 1 if task.privacy is not None and task.privacy.equal_weights else batches * task.batch_size
        return _metered(
            message,
            link,
            lambda: (
                cost.keys(),
                {"sealing": party.public.sealing, "masking": party.public.masking, "most-weight": most},
            ),
        )

    def shares(self, message: Message, link: Link) -> Message:
        """Share the round's secrets among all nodes."""
        told, party = _masking(message), self._of(message)
        nodes = [int(node) for node in told["nodes"]]
        pairs = zip(told["sealing"], told["masking"], strict=True)
        public = {node: PublicKeys(*pair) for node, pair in zip(nodes, pairs, strict=True)}
        self._nodes, self._threshold = len(nodes), int(told["threshold"])

        def job() -> tuple[float, dict[str, Any]]:
            sealed = party.share(public, self._threshold)
            return (
                cost.sharing(self._nodes, self._threshold),
                {"to": list(sealed), "sealed": list(sealed.values())},
            )

        return _metered(message, link, job)

    def masked(self, message: Message, link: Link, result: TrainResult, received: Parameters) -> ArrayRecord:
        """The update of a training under its masks. The message sent again is answered with the same."""
        if self._sent is not None:
            return self._sent
        told, party = _masking(message), self._of(message)
        senders = [int(node) for node in told["from"]]
        sealed = dict(zip(senders, told["sealed"], strict=True))
        flat = np.concatenate(
            [(result.parameters[name].astype(np.float64) - received[name]).reshape(-1) for name in received]
        )
        privacy = link.node.config.task.privacy
        weight = 1 if privacy is not None and privacy.equal_weights else result.num_examples
        if weight > int(told["most-weight"]):
            raise MaskingError(f"{weight} examples, and at most {told['most-weight']} were announced")
        sent: list[masks.Ring] = []

        def job() -> Done:
            ring = masks.to_ring(flat, weight, int(told["bits"]))
            sent.append(party.masked(ring, sealed))
            flop = cost.masking(len(sealed) + 1, len(flat))
            return Done(flop, record_bytes(told), 0, of_models=True)

        link.node.beside(job)
        self._sent = ArrayRecord({MASKED: FlowerArray(sent[0])})
        return self._sent

    def unmask(self, message: Message, link: Link) -> Message:
        """Reveal a share of each node of the round."""
        told, party = _masking(message), self._of(message)
        alive, dropped = ([int(node) for node in told[key]] for key in ("alive", "dropped"))

        def job() -> tuple[float, dict[str, Any]]:
            shares = party.reveal(alive, dropped)
            return 0.0, {"of": list(shares), "shares": list(shares.values())}

        return _metered(message, link, job)

    def _of(self, message: Message) -> Party:
        slot = int(_config(message)["slot"])
        if self._party is None or slot != self._slot:
            raise MaskingError(f"this node gave no keys for slot {slot}; its process is another one now")
        return self._party


def _config(message: Message) -> Mapping[str, Any]:
    return dict(message.content.config_records[CONFIG])


def _masking(message: Message) -> Mapping[str, Any]:
    if MASKING not in message.content.config_records:
        raise MaskingError(
            f"the message has no record {MASKING!r}: this node's updates leave it under masks alone"
        )
    return dict(message.content.config_records[MASKING])


def _metered(message: Message, link: Link, job: Callable[[], tuple[float, dict[str, Any]]]) -> Message:
    """The reply of a piece of work, which is metered with its bytes both ways."""
    replies: list[ConfigRecord] = []

    def done() -> Done:
        flop, told = job()
        record = ConfigRecord(told)
        replies.append(record)
        came = message.content.config_records.get(MASKING)
        return Done(flop, 0 if came is None else record_bytes(came), record_bytes(record), of_models=True)

    link.node.beside(done)
    content = RecordDict({MASKING: replies[0], METRICS: MetricRecord({"flop": 0.0})})
    return Message(content, reply_to=message)
