"""Intake of decisions: executed once; stale and impossible ones are refused."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import pytest

from edge_node.config import SleepConfig
from edge_node.slots.errors import InvalidDecision, StaleDecision
from edge_node.slots.outbox import MemoryOutbox
from edge_node.workload import Parameters
from protos.messages.slot import CloseSlot, Decision, EnergyGrant, Executed, Guest, Send
from protos.messages.terms import Component, Sleep, Stage
from tests.edge_node.slots.steps import BATCH_BYTES, MakeNode, decide, energies, finish, make_started, welcome


def test_the_same_decision_twice_is_executed_once(make_node: MakeNode, model: Parameters) -> None:
    node = make_node()
    welcome(node)
    decision = decide("n0", 0, own=4, sends=(Send("n1", "", 2),))
    (parcel,) = node.on_decision(decision)
    assert node.on_decision(decision) == []
    node.parcel_delivered(parcel)
    first = node.execute(model)
    assert node.execute(model) is first
    assert node.on_decision(decision) == []
    usage, settlement = finish(node, 0)
    assert usage.executed == (Executed("n0", 4),)
    assert node.close(CloseSlot(1, 0)) == usage
    assert node.on_grant(EnergyGrant("n0", 1, 0, 0, 0)) == settlement
    assert node.on_decision(decision) == []
    assert node.workload.trained == [0, 1, 2, 3]


def test_a_node_that_cannot_sleep_refuses_to(make_node: MakeNode) -> None:
    node = make_node(sleep=SleepConfig(kind=Sleep.NONE))
    welcome(node)
    with pytest.raises(InvalidDecision, match="n0 cannot sleep, and was told to in slot 0"):
        node.on_decision(decide("n0", 0, awake=False))


def test_a_new_epoch_of_an_executed_slot_only_reports_again(make_node: MakeNode, model: Parameters) -> None:
    node = make_node()
    welcome(node)
    node.on_decision(decide("n0", 0, own=6))
    node.execute(model)
    usage, settlement = finish(node, 0)
    assert node.on_decision(decide("n0", 0, own=3, epoch=2)) == []
    again, settled = finish(node, 0, epoch=2)
    assert again == dataclasses.replace(usage, epoch=2, seq=again.seq)
    assert settled == dataclasses.replace(settlement, epoch=2, seq=settled.seq)
    assert again.seq > usage.seq
    assert len(node.workload.trained) == 6
    # The readings of the older epoch are not sent any more: nothing could be booked twice.
    assert node.unacknowledged() == [again, settled]


def test_a_new_epoch_before_the_work_replaces_the_plan(make_node: MakeNode, model: Parameters) -> None:
    node = make_node()
    welcome(node)
    (parcel,) = node.on_decision(decide("n0", 0, own=3, sends=(Send("n1", "", 3),)))
    node.parcel_delivered(parcel)
    assert node.on_decision(decide("n0", 0, own=6, epoch=2)) == []
    assert node.execute(model).batches == 6
    usage = node.close(CloseSlot(2, 0))
    assert usage.moved == ()  # batches sent under the older plan are not run
    assert energies(usage)[Component.RADIO_TX] == (3 * BATCH_BYTES + 16) * 10  # and it was sent all the same


def test_a_parcel_before_a_decision_that_does_not_name_its_owner_is_not_moved(make_node: MakeNode) -> None:
    owner, executor = make_node(0), make_node(1)
    for node in (owner, executor):
        welcome(node)
    (parcel,) = owner.on_decision(decide("n0", 0, own=4, sends=(Send("n1", "", 2),)))
    assert executor.on_parcel(parcel).accepted
    assert executor.on_decision(decide("n1", 0, own=6)) == []
    assert executor.close(CloseSlot(1, 0)).moved == ()


@pytest.mark.parametrize(("epoch", "slot"), [(1, 1), (1, 0), (0, 2), (1, 2)])
def test_stale_decisions_are_refused(make_node: MakeNode, epoch: int, slot: int) -> None:
    node = make_node()
    welcome(node, slot=2)
    node.on_decision(decide("n0", 2, own=6))
    with pytest.raises(StaleDecision):
        node.on_decision(decide("n0", slot, own=5, epoch=epoch))


@pytest.mark.parametrize(
    "decision",
    [
        decide("n1", 0, own=1),
        decide("n0", 99, own=1),
        decide("n0", 0, own=1, stage=Stage.APPLICATION),
        decide("n0", 0, own=1, awake=False),
        decide("n0", 0, guests=(Guest("n1", 1),), awake=False),
        decide("n0", 0, sends=(Send("n0", "", 1),)),
        decide("n0", 0, guests=(Guest("n1", 1), Guest("n1", 2))),
    ],
)
def test_impossible_decisions_are_refused(make_node: MakeNode, decision: Decision) -> None:
    node = make_node()
    welcome(node)
    with pytest.raises(InvalidDecision):
        node.on_decision(decision)
    assert node.readiness(0).decided is False


def test_a_node_sends_its_work_away_and_sleeps(make_node: MakeNode) -> None:
    node = make_node()
    welcome(node)
    (parcel,) = node.on_decision(decide("n0", 0, sends=(Send("n1", "", 6),), awake=False))
    node.parcel_delivered(parcel)
    usage, _ = finish(node, 0)
    assert usage.executed == ()
    assert [(moved.peer, moved.batches) for moved in usage.moved] == [("n1", 6)]
    found = energies(usage)
    assert set(found) == {Component.SLEEP, Component.RADIO_TX}


def test_a_decision_that_comes_after_the_close_is_refused(make_node: MakeNode) -> None:
    node = make_started(make_node, deadline_slots=1)
    node.close(CloseSlot(1, 0))
    with pytest.raises(StaleDecision, match="is reported"):
        node.on_decision(decide("n0", 0, own=6))
    settled = node.on_grant(EnergyGrant("n0", 1, 0, 0, 0))
    assert settled.discharge_uj == 0
    assert node.telemetry().backlog_batches == (
        6,
        6,
    )  # its batches are not lost to a plan that is not executed


def test_no_stale_plan_in_ten_thousand_pauses_and_restarts(make_node: MakeNode, tmp_path: Path) -> None:
    """A decision counts as executed when it was accepted; accepted ones must rise in (epoch, slot)."""
    source = random.Random(5)
    accepted: list[tuple[int, int]] = []
    outbox = MemoryOutbox()
    for _ in range(500):
        node = make_node(
            outbox=outbox, stages=(Stage.DEVELOPMENT,) * 40
        )  # restarted: only the outbox is left
        welcome(node, slot=source.randint(0, 30))
        for _ in range(20):
            epoch, slot = source.randint(1, 8), source.randint(0, 39)
            before = node.readiness(slot).decided
            try:
                node.on_decision(decide("n0", slot, own=1, epoch=epoch, deadline_s=source.random()))
            except StaleDecision:
                continue
            if not before:
                accepted.append((epoch, slot))
    assert accepted == sorted(set(accepted))
