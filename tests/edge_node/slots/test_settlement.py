"""A reported slot and its trade become a settlement."""

from __future__ import annotations

import pytest

from carbon_data.storage import EnergyError
from edge_node.slots.errors import StaleDecision
from edge_node.slots.link import respond
from protos.messages.slot import CloseSlot, EnergyGrant
from protos.messages.stream import Ack, Welcome
from tests.edge_node.slots.steps import MakeNode, decide, make_started


def test_the_trade_reaches_the_battery(make_node: MakeNode) -> None:
    donor = make_started(make_node, index=0)
    donor.on_decision(decide("n0", 0, export_uj=8_000_000, charge_uj=1_000_000, discharge_uj=0))
    donor.close(CloseSlot(1, 0))
    settled = donor.on_grant(EnergyGrant("n0", 1, 0, 8_000_000, 0))
    assert (settled.export_uj, settled.charge_uj, settled.green_uj) == (8_000_000, 1_000_000, 1_000_000)
    greedy = make_started(make_node, index=1)
    greedy.on_decision(decide("n1", 0, discharge_uj=0))
    greedy.close(CloseSlot(1, 0))
    with pytest.raises(EnergyError):
        greedy.on_grant(EnergyGrant("n1", 1, 0, 10**9, 0))
    assert [m.code for m in respond(greedy, EnergyGrant("n1", 1, 0, 10**9, 0)).up] == ["energy"]


def test_a_repeated_trade_is_settled_from_the_same_battery(make_node: MakeNode) -> None:
    node = make_started(make_node)
    node.on_decision(decide("n0", 0, discharge_uj=10**9))
    node.close(CloseSlot(1, 0))
    first = node.on_grant(EnergyGrant("n0", 1, 0, 0, 0))
    told = node.telemetry()
    again = node.on_grant(EnergyGrant("n0", 2, 0, 1_000_000, 0))
    assert (again.battery_before_uj, again.harvest_uj) == (first.battery_before_uj, first.harvest_uj)
    assert again.export_uj == 1_000_000
    assert again.battery_after_uj < first.battery_after_uj == told.battery_uj
    assert node.unacknowledged()[1:] == [again]  # the first settlement is not sent any more
    assert node.telemetry().battery_uj == node.battery_uj == again.battery_after_uj


def test_a_trade_of_nothing_that_was_reported_is_stale(make_node: MakeNode) -> None:
    node = make_started(make_node)
    node.close(CloseSlot(1, 0))
    for grant in (EnergyGrant("n1", 1, 0, 0, 0), EnergyGrant("n0", 1, 1, 0, 0)):
        with pytest.raises(StaleDecision, match="grant of"):
            node.on_grant(grant)


def test_a_trade_ends_the_doubt_whether_the_coordinator_went_on_without_this_node(
    make_node: MakeNode,
) -> None:
    """Told of slot 1 while slot 0 waits for its trade: with it the node is in slot 1, and tells of it at once."""
    node = make_started(make_node)
    node.on_decision(decide("n0", 0))
    usage = node.close(CloseSlot(1, 0))
    node.on_welcome(Welcome("run", 1, 2.0, 6.0, 1))
    assert node.before_slot() == []
    settled = node.on_grant(EnergyGrant("n0", 1, 0, 0, 0))
    for reading in (usage, settled):
        node.acknowledged(Ack("n0", reading.seq))
    assert node.tick() == [node.telemetry()]
    assert node.telemetry().slot == 1
    # and again, where an older slot's trade is told anew
    node.on_welcome(Welcome("run", 1, 2.0, 6.0, 2))
    assert node.before_slot() == []
    again = node.on_grant(EnergyGrant("n0", 1, 0, 0, 0))
    assert again == settled
    assert node.before_slot() == [node.telemetry()]
