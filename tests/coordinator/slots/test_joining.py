"""What a node is sent when it registers: the welcome, and all that it may have missed of the open slot."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from coordinator.slots.joining import Joining
from protos.messages.slot import CloseSlot
from protos.messages.stream import Ack, Welcome


class OpenSlot:
    """Slot 4 of epoch 3: n0 works, n1 awaits its settlement, n2 has settled, n3 has no part, n4 awaits the trade."""

    epoch, slot = 3, 4

    def __init__(self) -> None:
        self.decisions = {node: f"decision of {node}" for node in ("n0", "n1", "n2", "n4")}

    def owes_reading(self, node: str) -> bool:
        return node == "n0"

    def awaits_settlement(self, node: str) -> bool:
        return node == "n1"

    def awaits_trade(self, node: str) -> bool:
        return node == "n4"

    def grant(self, node: str) -> str:
        return f"grant of {node}"


def greeting(
    node: str,
    *,
    told: bool = False,
    slot: OpenSlot | None = None,
    same_boot: bool = True,
    acked: int | None = None,
    question: str | None = None,
    opened: bool = True,
    negotiates: bool = False,
) -> list[Any]:
    config = SimpleNamespace(run_id="run", heartbeat_s=0.5, lease_s=2.0)
    state = SimpleNamespace(acked_seq=acked, opened=opened)

    def battery_uj(asked: str) -> int:
        assert asked == node
        return 41

    def is_same(asked: Any, of: str) -> bool:
        assert (asked, of) == (slot, node)
        return same_boot

    def is_told(asked: Any) -> bool:
        assert asked is slot
        return told

    def question_for(asked: str) -> str | None:
        assert asked == node
        return question

    books: Any = SimpleNamespace(
        config=config,
        epoch=3,
        next_slot=4,
        battery_uj=battery_uj,
        nodes={node: state},
        open_slot=slot,
        same_boot=is_same,
    )
    closing: Any = SimpleNamespace(is_told=is_told)
    market: Any = SimpleNamespace(question_for=question_for)
    nothing: Any = None
    return Joining(books, nothing, nothing, closing, market, negotiates)._greeting(node)


HELLO = Welcome("run", 3, 0.5, 2.0, 4, 41, False)


@pytest.mark.parametrize(
    ("changes", "messages"),
    [
        ({}, [HELLO]),
        ({"opened": False}, [Welcome("run", 3, 0.5, 2.0, 4, None, False)]),
        ({"negotiates": True}, [Welcome("run", 3, 0.5, 2.0, 4, 41, True)]),
        ({"acked": 0}, [HELLO, Ack("n0", 0)]),
        ({"acked": 9, "question": "call"}, [HELLO, Ack("n0", 9), "call"]),
        ({"slot": OpenSlot()}, [HELLO, "decision of n0"]),
        (
            {"slot": OpenSlot(), "told": True, "acked": 9},
            [HELLO, "decision of n0", CloseSlot(3, 4), Ack("n0", 9)],
        ),
        ({"slot": OpenSlot(), "same_boot": False}, [HELLO]),
        ({"node": "n1", "slot": OpenSlot(), "question": "call"}, [HELLO, "grant of n1", "call"]),
        ({"node": "n1", "slot": OpenSlot(), "acked": 9}, [HELLO, "grant of n1", Ack("n1", 9)]),
        ({"node": "n2", "slot": OpenSlot()}, [HELLO]),
        ({"node": "n4", "slot": OpenSlot(), "acked": 9}, [HELLO, CloseSlot(3, 4), Ack("n4", 9)]),
        ({"node": "n3", "slot": OpenSlot()}, [HELLO]),
    ],
)
def test_everything_that_a_node_is_greeted_with(changes: dict[str, Any], messages: list[Any]) -> None:
    assert greeting(**{"node": "n0", **changes}) == messages


def test_a_new_start_leaves_the_market_of_the_old_one(bench: Any) -> None:
    left: list[str] = []
    service = bench.coordinator.service
    service.joining._market = SimpleNamespace(leave=left.append, question_for=lambda node: None)
    bench.join()
    assert left == []
    bench.join("n01")  # the same start once more
    assert left == []
    bench.nodes["n01"] = type(bench.nodes["n01"])("n01", boot_id="boot2")
    bench.join("n01")
    assert left == ["n01"]
