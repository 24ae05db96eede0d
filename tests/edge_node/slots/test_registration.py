"""Registration: a new node starts with its state in the ledger."""

from __future__ import annotations

import pytest

from edge_node.slots.errors import InvalidDecision
from protos.messages.slot import Send
from protos.messages.stream import Welcome
from tests.edge_node.slots.steps import MakeNode, decide, welcome


def test_a_fresh_node_takes_slot_and_battery_from_the_ledger(make_node: MakeNode) -> None:
    node = make_node()
    welcome(node, slot=3, battery_uj=12_345_678)
    told = node.telemetry()
    assert (told.slot, told.battery_uj, told.backlog_batches) == (3, 12_345_678, (6,))
    (parcel,) = node.on_decision(decide("n0", 3, sends=(Send("n1", "", 1),)))
    assert parcel.batch_ids == (18,)  # numbers follow from the slot, not from what this process remembers


def test_a_welcome_of_another_run_is_refused(make_node: MakeNode) -> None:
    node = make_node()
    node.register("boot")
    with pytest.raises(InvalidDecision, match="of run"):
        node.on_welcome(Welcome("other", 1, 2.0, 6.0, 0))
