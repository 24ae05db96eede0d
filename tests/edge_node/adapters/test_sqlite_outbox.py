"""The outbox: undelivered messages of a board survive its process."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from edge_node.adapters.sqlite_outbox import SqliteOutbox
from edge_node.slots.errors import StaleDecision
from protos.messages.slot import CloseSlot
from protos.messages.stream import Welcome
from tests.edge_node.slots.steps import MakeNode, decide, welcome


def test_readings_and_fence_survive_the_process(make_node: MakeNode, tmp_path: Path) -> None:
    outbox = SqliteOutbox(tmp_path / "outbox.sqlite")
    node = make_node(outbox=outbox)
    welcome(node)
    node.telemetry()
    node.on_decision(decide("n0", 0, own=6))
    usage = node.close(CloseSlot(1, 0))
    outbox.close()

    restarted = make_node(outbox=SqliteOutbox(tmp_path / "outbox.sqlite"))
    restarted.register("boot-2")
    (again,) = restarted.unacknowledged()
    assert again == dataclasses.replace(usage, boot_id="boot-2", seq=again.seq)
    assert again.seq > usage.seq
    restarted.on_welcome(Welcome("run", 1, 2.0, 6.0, 0))
    with pytest.raises(StaleDecision):
        restarted.on_decision(decide("n0", 0, own=6))
