"""The moves of a slot and of a node in it: all that are drawn are possible, no other is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from coordinator.ledger.entry import Kind, LedgerError
from coordinator.policies.registry import make_policy
from coordinator.slots.state import NODE_MOVES, SLOT_MOVES, Phase, SlotState, Standing
from coordinator.slots.trade import SettledTransfer
from protos.messages.runner import BeginSlot, EndSlot, SlotPlan
from protos.messages.slot import Settlement
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
        with pytest.raises(LedgerError, match=f"an entry {kind} of slot 4, which is {phase}; allowed is"):
            slot.move(kind)
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
        with pytest.raises(LedgerError, match=f"an entry {kind} of n00 in slot 4, where it is {standing}"):
            slot.move_node("n00", kind)


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
