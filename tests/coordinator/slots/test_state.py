"""The moves of a slot and of a node in it: all that are drawn are possible, no other is."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from coordinator.ledger.entry import Kind, LedgerError
from coordinator.policies.registry import make_policy
from coordinator.slots.state import NODE_MOVES, SLOT_MOVES, Phase, SlotState, Standing
from coordinator.slots.trade import SettledTransfer
from protos.messages.runner import BeginSlot, EndSlot, SlotPlan
from protos.messages.slot import (
    Decision,
    EnergyGrant,
    Executed,
    OwnWork,
    Send,
    Settlement,
    Telemetry,
    Usage,
)
from protos.messages.terms import Stage


def slot_with(nodes: tuple[str, ...] = ("n00",)) -> SlotState:
    plan = SlotPlan(1, 4, (), (), "rule", None, 0.0)
    decisions: dict[str, Any] = dict.fromkeys(nodes)
    return SlotState(4, Stage.DEVELOPMENT, plan, decisions, (), None, {}, {})


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("kind", Kind)
def test_a_slot_moves_as_drawn_and_not_otherwise(phase: Phase, kind: Kind) -> None:
    slot = slot_with()
    slot.phase = phase
    if (phase, kind) in SLOT_MOVES:
        slot.move(kind)
        assert slot.phase is SLOT_MOVES[phase, kind]
    else:
        allowed = {Phase.RUNNING: "trade", Phase.TRADED: "slot_end", Phase.ENDED: "none"}[phase]
        with pytest.raises(LedgerError) as caught:
            slot.move(kind)
        assert str(caught.value) == (
            f"an entry {kind} of slot 4, which is {phase}; allowed is {allowed}; "
            "look at the ledger with `detabed ledger verify`"
        )
        assert slot.phase is phase


@pytest.mark.parametrize("standing", Standing)
@pytest.mark.parametrize("kind", Kind)
def test_a_node_moves_as_drawn_and_not_otherwise(standing: Standing, kind: Kind) -> None:
    slot = slot_with()
    slot.standing["n00"] = standing
    if (standing, kind) in NODE_MOVES:
        slot.move_node("n00", kind)
        assert slot.standing["n00"] is NODE_MOVES[standing, kind]
    else:
        allowed = {"working": "usage or gap", "metered": "booking", "booked": "none", "missing": "usage"}[
            standing
        ]
        with pytest.raises(LedgerError) as caught:
            slot.move_node("n00", kind)
        assert str(caught.value) == (
            f"an entry {kind} of n00 in slot 4, where it is {standing}; allowed is {allowed}; "
            "look at the ledger with `detabed ledger verify`"
        )
        assert slot.standing["n00"] is standing


def test_a_node_without_a_decision_stands_nowhere() -> None:
    slot = slot_with()
    slot.move_node("n07", Kind.GAP)
    assert slot.standing == {"n00": Standing.WORKING}


def test_the_trade_by_node() -> None:
    """Void transfers move nothing; n02 gives and receives."""
    slot = slot_with()
    assert slot.grants("n02") == (0, 0)
    moved = SettledTransfer("n01", "n02", 9, 8, 7), SettledTransfer("n02", "n03", 6, 5, 4)
    slot.traded([SettledTransfer("n01", "n03", 3, 0, 0, "void"), *moved])
    assert (slot.trade[1:], len(slot.trade)) == (moved, 3)
    assert [slot.grants(f"n0{i}") for i in range(5)] == [(0, 0), (8, 0), (5, 7), (0, 4), (0, 0)]
    assert [slot.transfers_of(f"n0{i}") for i in range(1, 4)] == [moved[:1], moved, moved[1:]]


def test_a_slot_of_the_service_goes_through_its_phases(tmp_path: Path, kit: Any) -> None:
    bench = kit.Bench(kit.make_config(tmp_path, nodes=4), make_policy("deta"))
    bench.join()
    bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    slot, closing = bench.coordinator.service.books.slots[0], bench.coordinator.service.closing
    assert slot.phase is Phase.RUNNING
    assert set(slot.standing.values()) == {Standing.WORKING}
    assert not closing.is_told(slot)
    bench.mute.add("n00")
    bench.drop = lambda node, message: node == "n01" and isinstance(message, Settlement)
    bench.coordinator.carry_out(closing.close(EndSlot(0, 1.0))[1])
    assert closing.is_told(slot)
    assert (slot.standing["n00"], slot.standing["n01"]) == (Standing.WORKING, Standing.METERED)
    assert not slot.awaits_settlement("n01")
    bench.coordinator.carry_out(closing.trade())
    assert slot.phase is Phase.TRADED
    assert slot.awaits_settlement("n01")
    assert slot.unbooked() == ["n01"]
    closing.finish(EndSlot(0, 1.0))
    assert slot.phase is Phase.ENDED
    assert (slot.standing["n00"], slot.standing["n01"]) == (Standing.MISSING, Standing.BOOKED)
    assert slot.settled == set(slot.decisions) - {"n00", "n01"}
    bench.close()


def decision(node: str, own: int, sends: dict[str, int] | None = None, **changes: Any) -> Decision:
    sent = tuple(Send(peer, "", count) for peer, count in (sends or {}).items())
    plain = Decision(node, 9, 4, Stage.DEVELOPMENT, True, own, sent, (), 0, 0, 0, 5.0)
    return dataclasses.replace(plain, **changes)


def usage(node: str, executed: dict[str, int], own_work: OwnWork | None = None) -> Usage:
    ran = tuple(Executed(owner, count) for owner, count in executed.items())
    return Usage(node, "boot", 1, 9, 4, (), 0, ran, (), 0, own_work=own_work)


def working(**changes: Any) -> SlotState:
    """n00 runs four and sends two to n01 and one to n02; n01 runs five; n02 manages itself and sends one to n00."""
    made = {
        "n00": decision("n00", 4, {"n01": 2, "n02": 1}),
        "n01": decision("n01", 5),
        "n02": decision("n02", 0, {"n00": 1}, self_managed=True),
    }
    plan = SlotPlan(9, 4, tuple(made.values()), (), "rule", None, 0.0)
    values: dict[str, Any] = {"telemetry": {}, "boots": {}, **changes}
    return SlotState(4, Stage.DEVELOPMENT, plan, made, (), None, **values)


def test_batches_count_first_come_first_served_up_to_what_was_decided() -> None:
    slot = working()
    assert slot.epoch == 9
    assert [slot.decided_batches(node) for node in slot.decisions] == [7, 5, 1]
    # The guest comes first: both of its batches of n00 count, and five of six of its own.
    assert slot.count(usage("n01", {"n00": 2, "n01": 6})) == 1
    # n00 ran six of its own, of which five are left to count, and one of n02.
    assert slot.count(usage("n00", {"n00": 6, "n02": 1})) == 1
    # n02 ran three of its own and another one of n00, which has counted seven.
    owns = OwnWork(3, (4, 1))
    assert slot.count(usage("n02", {"n02": 3, "n00": 1}, owns)) == 1
    assert [slot.decided_batches(node) for node in slot.decisions] == [7, 5, 4]
    assert slot.counted == {"n00": 7, "n01": 5, "n02": 4}
    assert slot.wasted == {"n00": 1, "n01": 1, "n02": 1}
    assert slot.away == {"n00": 2, "n02": 1}
    assert list(slot.usage) == ["n01", "n00", "n02"]
    assert [slot.backlog(node) for node in ("n00", "n01", "n02", "n09")] == [None, None, (4, 1), None]
    told = dataclasses.replace(usage("n01", {}, None), own_work=OwnWork(0, (1,)))
    slot.usage["n01"] = told
    assert slot.decided_batches("n01") == 5, "what a managed node discloses binds nobody"


def test_an_owner_that_counts_more_than_was_decided_takes_nothing_away() -> None:
    """n02 disclosed three own batches after five of it had counted: no negative count, no waste beyond what ran."""
    slot = working()
    slot.counted["n02"] = 9
    assert slot.count(usage("n00", {"n02": 2})) == 2
    assert slot.counted["n02"] == 9
    assert slot.away == {"n02": 0}


def test_after_the_end_of_a_slot_all_work_is_waste() -> None:
    slot = working()
    slot.phase = Phase.ENDED
    assert slot.count(usage("n00", {"n00": 4, "n02": 1})) == 5
    assert slot.counted == {"n00": 0, "n02": 0}
    assert slot.away == {"n02": 0}
    assert slot.wasted == {"n00": 5}


def test_standing_of_nodes_by_what_came_of_them() -> None:
    slot = working()
    slot.usage = {"n02": usage("n02", {}), "n00": usage("n00", {})}
    slot.standing = {"n00": Standing.METERED, "n01": Standing.MISSING, "n02": Standing.METERED}
    assert slot.unbooked() == ["n02", "n00"]
    assert [slot.is_working(node) for node in ("n00", "n01", "n09")] == [False, True, False]
    for phase, awaits in ((Phase.RUNNING, False), (Phase.TRADED, True), (Phase.ENDED, False)):
        slot.phase = phase
        assert [slot.awaits_settlement(node) for node in ("n00", "n01", "n09")] == [awaits, False, False]
        before = phase is Phase.RUNNING
        assert [slot.awaits_trade(node) for node in ("n00", "n01", "n09")] == [before, False, False]
    slot.standing = {"n00": Standing.WORKING, "n01": Standing.METERED, "n02": Standing.BOOKED}
    assert slot.unbooked() == []
    assert [slot.is_working(node) for node in slot.decisions] == [True, False, False]


def test_grants_are_the_posted_transfers_of_a_node() -> None:
    slot = working()
    one = SettledTransfer("n00", "n01", 50, 40, 30)
    two = SettledTransfer("n00", "n02", 20, 7, 5)
    back = SettledTransfer("n01", "n00", 9, 3, 2)
    void = SettledTransfer("n02", "n00", 9, 0, 0, "no reading from n02")
    slot.traded([one, two, back, void])
    assert slot.trade == (one, two, back, void)
    assert [slot.grants(node) for node in slot.decisions] == [(47, 2), (3, 30), (0, 5)]
    assert slot.grant("n00") == EnergyGrant("n00", 9, 4, 47, 2)
    assert slot.transfers_of("n00") == (one, two, back)
    assert slot.transfers_of("n01") == (one, back)
    assert slot.transfers_of("n02") == (two,)


def test_telemetry_tells_backlog_and_battery_and_a_market_neither() -> None:
    told = Telemetry("n00", "boot", 1, 4, 700, (1,), (3, 2))
    slot = working(telemetry={"n00": told})
    slot.usage["n00"] = usage("n00", {}, OwnWork(1, (9, 9)))
    assert slot.backlog("n00") == (3, 2)
    assert [slot.donor_battery_uj(node) for node in ("n00", "n01")] == [700, 0]


def test_totals_add_up_grams_of_all_lines_and_joules_of_those_of_no_node() -> None:
    slot = working()
    lines = [
        {"node_id": holder, "energy_uj": energy, "operational_pg": grams}
        for holder, energy, grams in (
            ("n00", 1, 10),
            ("network", 2, 20),
            ("coordinator", 4, 40),
            ("router", 8, 80),
        )
    ]
    slot.add_lines(lines)
    assert slot.totals == {"emissions_pg": 150, "shared_uj": 14}
    slot.add_lines(lines[:2])
    slot.add(grid_uj=5, shared_uj=1)
    assert slot.totals == {"emissions_pg": 180, "shared_uj": 17, "grid_uj": 5}
