"""A round of secure aggregation in Flower messages between four nodes, and messages that a node does not act on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from flwr.app import ConfigRecord, Message, RecordDict

from edge_node.adapters.flower_masking import MaskingSide
from edge_node.adapters.flower_private import bind_identity
from edge_node.slots.beside import Done
from edge_node.workload import TrainResult
from protos.masking import masks
from protos.masking.party import MaskingError, PublicKeys, about, unmask

NODES, SLOT, BITS = (2, 3, 4, 5), 5, 20
BEGUN = {"w": np.zeros((2, 3), np.float32), "b": np.zeros(2, np.float32)}


class Board:
    """A link whose node does work beside its batches, and adds it up."""

    def __init__(self) -> None:
        self.done: list[Done] = []
        task = SimpleNamespace(privacy=None, batch_size=8)
        self.node = SimpleNamespace(
            config=SimpleNamespace(task=task), beside=lambda job: self.done.append(job())
        )

    def wait_ready(self, slot: int, timeout_s: float) -> None:
        assert slot == SLOT


def asked(node: int, kind: str, **terms: Any) -> Message:
    bind_identity(1)
    config = ConfigRecord({"slot": SLOT, "deadline-s": 1.0, "batches": 2})
    content = RecordDict({"config": config, **({"masking": ConfigRecord(terms)} if terms else {})})
    return Message(content, node, kind)


def told(reply: Message) -> dict[str, Any]:
    return dict(reply.content.config_records["masking"])


def test_a_round_gives_the_sum_and_books_its_work_and_bytes() -> None:
    sides, boards = {n: MaskingSide() for n in NODES}, {n: Board() for n in NODES}
    found = {n: told(sides[n].keys(asked(n, "query.keys"), boards[n])) for n in NODES}
    assert {each["most-weight"] for each in found.values()} == {16}
    every = {
        "nodes": list(NODES),
        "sealing": [found[n]["sealing"] for n in NODES],
        "masking": [found[n]["masking"] for n in NODES],
        "threshold": 3,
    }
    shares = {n: told(sides[n].shares(asked(n, "query.shares", **every), boards[n])) for n in NODES}
    updates = {n: {name: array + n / 10 for name, array in BEGUN.items()} for n in NODES}
    sent = {}
    for n in NODES:
        inbox = {m: dict(zip(shares[m]["to"], shares[m]["sealed"], strict=True))[n] for m in NODES if m != n}
        terms = {"from": list(inbox), "sealed": list(inbox.values()), "bits": BITS, "most-weight": 16}
        result = TrainResult(updates[n], num_examples=n, batches=2, mean_loss=1.0, flop=0.0)
        message = asked(n, "train", **terms)
        sent[n] = sides[n].masked(message, boards[n], result, BEGUN)
        assert sides[n].masked(message, boards[n], result, BEGUN) is sent[n]  # the same message again
    alive, dropped = [2, 4, 5], [3]
    revealed = {
        n: told(sides[n].unmask(asked(n, "query.unmask", alive=alive, dropped=dropped), boards[n]))
        for n in alive
    }
    total = unmask(
        masks.add((sent[n]["masked"].numpy() for n in alive), 8),
        {n: PublicKeys(found[n]["sealing"], found[n]["masking"]) for n in NODES},
        {n: dict(zip(each["of"], each["shares"], strict=True)) for n, each in revealed.items()},
        alive,
        dropped,
        about(SLOT),
    )
    mean = masks.from_ring(total, 11.0, BITS)
    np.testing.assert_allclose(
        mean, (2 * 0.2 + 4 * 0.4 + 5 * 0.5) / 11, atol=masks.error_bound(3, 11.0, BITS) + 1e-6
    )
    for n in alive:
        assert [done.flop > 0 for done in boards[n].done] == [True, True, True, False]
        assert all(done.of_models for done in boards[n].done)
        assert boards[n].done[0].sent_bytes == 2 * 32 + 8


def test_what_a_node_does_not_act_on() -> None:
    side, board = MaskingSide(), Board()
    with pytest.raises(MaskingError, match="gave no keys for slot 5"):
        side.unmask(asked(2, "query.unmask", alive=[2], dropped=[]), board)
    side.keys(asked(2, "query.keys"), board)
    result = TrainResult(BEGUN, num_examples=99, batches=2, mean_loss=1.0, flop=0.0)
    with pytest.raises(MaskingError, match="under masks alone"):
        side.masked(asked(2, "train"), board, result, BEGUN)
    terms = {"from": [3], "sealed": [b"x"], "bits": BITS, "most-weight": 16}
    with pytest.raises(MaskingError, match="99 examples, and at most 16"):
        side.masked(asked(2, "train", **terms), board, result, BEGUN)
