"""Recovery: after a broken stream node and coordinator continue with the same slot, and nothing is lost."""

from __future__ import annotations

from edge_node.workload import Parameters
from protos.messages.slot import CloseSlot, EnergyGrant, Executed, Telemetry, Usage
from protos.messages.stream import Ack, Welcome
from tests.edge_node.slots.steps import MakeNode, decide, finish, welcome


def test_readings_are_sent_again_until_they_are_acknowledged(make_node: MakeNode) -> None:
    node = make_node()
    welcome(node)
    node.telemetry()
    usage, settlement = finish(node, 0)
    node.telemetry()
    assert node.unacknowledged() == [usage, settlement]
    assert node.tick() == []  # telemetry waits until the readings before it are booked
    node.acknowledged(Ack("n0", settlement.seq))
    assert node.unacknowledged() == []
    assert node.tick() == [node.telemetry()]
    node.acknowledged(Ack("n0", node.telemetry().seq))
    assert node.tick() == []


def test_a_slot_ended_without_this_node_is_reported_late(make_node: MakeNode, model: Parameters) -> None:
    node = make_node()
    welcome(node)
    node.on_decision(decide("n0", 0, own=6))
    node.execute(model)
    node.on_welcome(Welcome("run", 1, 2.0, 6.0, 1))  # reconnected: the coordinator is one slot further
    assert node.before_slot() == []
    node.acknowledged(Ack("n0", 0))
    (usage,) = node.tick()  # and sent nothing more about slot 0
    assert isinstance(usage, Usage)
    assert (usage.slot, usage.executed) == (0, (Executed("n0", 6),))
    node.on_grant(EnergyGrant("n0", 1, 0, 0, 0))
    assert node.telemetry().slot == 1


def test_a_reconnection_within_a_slot_changes_nothing(make_node: MakeNode, model: Parameters) -> None:
    node = make_node()
    welcome(node)
    decision = decide("n0", 0, own=6)
    node.on_decision(decision)
    node.on_welcome(Welcome("run", 1, 2.0, 6.0, 1))
    node.on_decision(decision)  # the coordinator still waits for us in slot 0
    assert node.tick() == []
    assert node.execute(model).batches == 6


def test_slots_decided_without_this_node_are_skipped(make_node: MakeNode) -> None:
    node = make_node()
    welcome(node)
    node.telemetry()
    node.on_welcome(Welcome("run", 1, 2.0, 6.0, 4))
    node.acknowledged(Ack("n0", 0))
    (told,) = node.tick()
    assert isinstance(told, Telemetry)
    assert (told.slot, told.backlog_batches) == (4, (6,))


def test_a_reading_closed_by_estimate_lets_the_node_go_on(make_node: MakeNode) -> None:
    node = make_node()
    welcome(node)
    node.on_decision(decide("n0", 0))
    usage = node.close(CloseSlot(1, 0))
    node.acknowledged(Ack("n0", usage.seq))
    node.on_welcome(Welcome("run", 1, 2.0, 6.0, 1))
    node.acknowledged(Ack("n0", usage.seq))  # no grant came before it, and none comes any more
    (told,) = node.tick()
    assert isinstance(told, Telemetry)
    assert told.slot == 1
    # A grant that arrives late is still settled, and the battery is reported again.
    settlement = node.on_grant(EnergyGrant("n0", 1, 0, 0, 0))
    assert node.telemetry().battery_uj == settlement.battery_after_uj
    assert node.telemetry().seq > told.seq


def test_a_node_in_doubt_goes_on_only_after_an_acknowledgement_of_its_new_stream(
    make_node: MakeNode, model: Parameters
) -> None:
    """Until then the decision or the grant of its slot may be on the way, however many heartbeats it takes: a battery
    told of before that grant would be another than the one that is settled."""
    node = make_node()
    welcome(node)
    decision = decide("n0", 0, own=6, discharge_uj=10**9)
    reconnected = Welcome("run", 1, 2.0, 6.0, 1)
    node.on_welcome(reconnected)
    assert [node.tick(), node.slot] == [[], 0], "not skipped: it may be decided with this node"
    node.on_decision(decision)
    node.on_welcome(reconnected)
    assert node.tick() == [], "not closed amid its work"
    node.on_decision(decision)
    node.execute(model)
    usage = node.close(CloseSlot(1, 0))
    node.acknowledged(Ack("n0", usage.seq))
    node.on_welcome(reconnected)
    assert [node.tick(), node.tick(), node.slot] == [[], [], 0], "not left: its grant may come"
    settlement = node.on_grant(EnergyGrant("n0", 1, 0, 0, 0))
    assert settlement.battery_after_uj < settlement.battery_before_uj
    node.acknowledged(Ack("n0", settlement.seq))
    (told,) = node.tick()
    assert isinstance(told, Telemetry)
    assert (told.slot, told.battery_uj) == (1, settlement.battery_after_uj)


def test_what_would_change_nothing_is_known_without_the_lock(make_node: MakeNode, model: Parameters) -> None:
    """Between heartbeats of a node at work: neither its tick nor an acknowledgement of nothing new does anything."""
    node = make_node()
    welcome(node)
    assert not node.knows(Ack("n0", 0)), "the first on a new stream settles doubts"
    told = node.telemetry()
    assert not node.has_nothing_to_say(), "telemetry is said until it is acknowledged"
    node.acknowledged(Ack("n0", told.seq))
    assert node.knows(Ack("n0", told.seq))
    node.on_decision(decide("n0", 0, own=6))
    assert node.has_nothing_to_say()
    assert node.tick() == []
    node.execute(model)
    assert node.has_nothing_to_say()
    usage = node.close(CloseSlot(1, 0))
    assert not node.knows(Ack("n0", usage.seq))
    node.on_welcome(Welcome("run", 1, 2.0, 6.0, 1))
    assert not node.has_nothing_to_say(), "it is in doubt"
