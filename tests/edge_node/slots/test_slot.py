"""A node's state of one slot: what it waits for, what it has exchanged, and how that is reported."""

from __future__ import annotations

import numpy as np
import pytest

from edge_node.slots.backlog import Batch
from edge_node.slots.phases import Phase
from edge_node.slots.slot import Delivery, Incoming, Outgoing, SlotState
from protos.messages.parcels import Parcel
from protos.messages.slot import Guest, Moved, Send, UserTraffic
from protos.messages.terms import Stage
from tests.edge_node.slots.steps import decide

DEV, APP = Stage.DEVELOPMENT, Stage.APPLICATION


def parcel(executor: str) -> Parcel:
    return Parcel("run", 1, 0, "n0", executor, (1,), (), (5,))


def test_a_slot_before_its_decision() -> None:
    slot = SlotState(3, DEV, True)
    assert slot.expected_batches() == {}
    assert slot.missing_owners() == slot.pending_parcels() == slot.user_traffic() == slot.moved() == ()
    assert slot.incoming_bytes() == 0
    assert (slot.phase, slot.woke, slot.fixed) == (Phase.OPEN, False, False)


def test_what_a_slot_waits_for() -> None:
    slot = SlotState(0, DEV, True)
    slot.decision = decide(
        "n0", 0, sends=(Send("n1", "", 1),), guests=(Guest("n2", 3), Guest("n3", 4), Guest("n4", 5))
    )
    assert slot.expected_batches() == {"n2": 3, "n3": 4, "n4": 5}
    assert slot.missing_owners() == ("n2", "n3", "n4")
    slot.incoming["n3"] = Incoming((7,), [{"x": np.zeros(1)}], 11)
    slot.incoming["n5"] = Incoming((8,), [], 13)
    assert slot.incoming_bytes() == 24
    assert slot.missing_owners() == ("n2", "n4")
    slot.given_up.add("n4")
    assert slot.missing_owners() == ("n2",)
    batch = [Batch(0, 1, DEV, 0)]
    slot.outgoing = {name: Outgoing(parcel(name), batch) for name in ("n1", "n6", "n7")}
    slot.outgoing["n6"].delivery, slot.outgoing["n7"].delivery = Delivery.DELIVERED, Delivery.FAILED
    assert slot.pending_parcels() == ("n1",)


def test_users_bytes_add_up_by_owner_stage_and_whether_they_are_outside() -> None:
    slot = SlotState(0, APP, True)
    slot.exchange("n1", APP, 0, 7)
    slot.exchange("n0", APP, 1, 10)
    slot.exchange("n0", APP, 2, 20)
    slot.exchange("n0", APP, 100, 1_000, outside=True)
    slot.exchange("n0", DEV, 5, 0)
    slot.exchange("n2", APP, 0, 0)
    assert slot.user_traffic() == (
        UserTraffic("n0", APP, 3, 30, False),
        UserTraffic("n0", APP, 100, 1_000, True),
        UserTraffic("n0", DEV, 5, 0, False),
        UserTraffic("n1", APP, 0, 7, False),
    )


def test_moved_batches_by_peer_sent_ones_first() -> None:
    slot = SlotState(0, DEV, True)
    slot.sent = {"n3": (1, 10), "n1": (2, 20)}
    slot.received = {"n2": (3, 30), "n1": (4, 40)}
    assert slot.moved() == (
        Moved("n1", True, 2, 20),
        Moved("n3", True, 1, 10),
        Moved("n1", False, 4, 40),
        Moved("n2", False, 3, 30),
    )


@pytest.mark.parametrize("phase", Phase)
def test_a_plan_is_fixed_once_work_has_begun(phase: Phase) -> None:
    slot = SlotState(0, DEV, True, phase=phase)
    assert slot.fixed is (phase in {Phase.RUNNING, Phase.WORKED, Phase.REPORTED, Phase.SETTLED})
