"""How good a negotiated slot is: its grams, the optimum beside it, and the figures made of the two."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from coordinator.market.decision import Feasible, FleetDecision
from coordinator.market.fleet import Fleet
from coordinator.market.instances import random_fleet
from coordinator.market.numbers import unserved_penalty_g
from coordinator.market.physics import execute
from coordinator.market.window import product_form, window
from coordinator.negotiation import outcome
from coordinator.negotiation.outcome import bill_g, gap_notes, optimum_g, slot_notes, slot_objective_g
from coordinator.policies.local import local_decision


def fleet_of(seed: int = 3) -> Fleet:
    return product_form(random_fleet(seed, 3, 2, deadline_slots=1))


@pytest.mark.parametrize(
    ("reached", "best", "local", "scale", "notes"),
    [
        (12.0, 10.0, 20.0, 5.0, {"gap_to_optimum_fraction": 0.2, "captured_gain_fraction": 0.8}),
        (-8.0, -10.0, -5.0, 5.0, {"gap_to_optimum_fraction": 0.2, "captured_gain_fraction": 0.6}),
        (12.0, 10.0, 10.0, 5.0, {"gap_to_optimum_fraction": 0.2}),
        (12.0, 10.0, 10.0 + 9e-9, 5.0, {"gap_to_optimum_fraction": 0.2}),
        (10.0, 10.0, 10.0 + 2e-8, 5.0, {"gap_to_optimum_fraction": 0.0, "captured_gain_fraction": 1.0}),
        # An optimum of nothing counts as a billionth of the bill.
        (2e-9, 0.0, 4e-9, 1.0, {"gap_to_optimum_fraction": 2.0, "captured_gain_fraction": 0.5}),
        (2e-9, 0.0, 0.0, 1.0, {"gap_to_optimum_fraction": 2.0}),
        (0.5, 0.0, 1.0, 0.0, {"captured_gain_fraction": 0.5}),
        (0.0, 0.0, 0.0, 0.0, {}),
    ],
)
def test_gap_and_captured_gain_by_hand(
    reached: float, best: float, local: float, scale: float, notes: dict[str, float]
) -> None:
    found = gap_notes(reached, best, local, scale)
    wanted = {"objective_g": reached, "optimum_g": best, **notes}
    assert found.keys() == wanted.keys()
    assert found == pytest.approx(wanted, rel=1e-6)


def test_the_bill_is_that_of_static_power_from_the_grid() -> None:
    fleet = replace(
        fleet_of(),
        slot_s=100.0,
        static_w=np.array([2.0, 3.0, 5.0]),
        intensity_g_per_kwh=np.array([[36.0, 72.0], [360.0, 0.0], [1.0, 2.0]]),
    )
    assert bill_g(fleet) == pytest.approx((108 * 2 + 360 * 3 + 3 * 5) * 100.0 / 3.6e6, rel=1e-12)


def decided(fleet: Fleet, home: list[int], unserved: list[int]) -> FleetDecision:
    """Node 0 sends one batch and some energy to node 1; what is neither run nor unserved waits."""
    moved, given = np.zeros((3, 3), dtype=np.int64), np.zeros((3, 3))
    moved[0, 1], given[0, 2] = 1, 0.3 * float(fleet.harvest_j[0, 0])
    return FleetDecision.dense(
        moved + np.diag(np.array(home)),
        given,
        charge_j=np.array([1.0, 2.0, 3.0]),
        discharge_j=np.full(3, 1e6),
        awake=np.ones(3, dtype=bool),
        outcome=Feasible(None),
        unserved_batches=np.array(unserved),
    )


def test_grams_of_a_slot_less_what_is_stored_plus_the_price_of_what_was_not_done() -> None:
    fleet = fleet_of()
    fleet = replace(
        fleet,
        backlog_batches=np.array([[3, 2], [2, 4], [0, 1]]),
        bytes_per_batch=np.array([1e5, 2e5]),
        limits=replace(fleet.limits, net_j_per_byte=1e-5),
    )
    decision = decided(fleet, [2, 6, 2], [1, 0, 0])
    # Node 0: of five, three ran and one is unserved: one is left. Node 1 ran all; node 2 one more than it had.
    flows, penalty = execute(fleet, decision), unserved_penalty_g(fleet)
    assert flows.network_g > 0
    assert (flows.battery_j > 0).any()
    worth = sum(v * j for v, j in zip(fleet.stored_value_g_per_j, flows.battery_j, strict=True))
    wanted = sum(flows.operational_g) + flows.network_g + penalty * 1 + penalty * 1 / 3 - worth
    assert slot_objective_g(fleet, decision) == pytest.approx(wanted, rel=1e-12)
    assert worth != 0
    later = decided(fleet, [0, 6, 2], [1, 0, 0])
    flows = execute(fleet, later)
    worth = sum(v * j for v, j in zip(fleet.stored_value_g_per_j, flows.battery_j, strict=True))
    wanted = sum(flows.operational_g) + flows.network_g + penalty * (1 + 3 / 3) - worth
    assert slot_objective_g(fleet, later) == pytest.approx(wanted, rel=1e-12)


def with_matrix(fleet: Fleet) -> Fleet:
    """The same losses as a matrix: the pairwise program is asked."""
    nodes = np.arange(fleet.size)
    kept = fleet.transfer_efficiency(np.repeat(nodes, fleet.size), np.tile(nodes, fleet.size))
    loss = 1.0 - kept.reshape(fleet.size, fleet.size)
    np.fill_diagonal(loss, 0.0)
    return replace(fleet, loss_fraction=loss)


@pytest.mark.parametrize("seed", range(3))
def test_both_forms_of_the_program_have_one_optimum_with_no_node_asleep(seed: int) -> None:
    fleet = fleet_of(seed)
    found = optimum_g(fleet)
    assert optimum_g(with_matrix(fleet)) == pytest.approx(found, rel=1e-5)
    sleepy = replace(fleet, sleep_w=0.0 * fleet.static_w, limits=replace(fleet.limits, may_sleep=True))
    assert optimum_g(sleepy) == pytest.approx(found, rel=1e-9)
    assert optimum_g(with_matrix(sleepy)) == pytest.approx(found, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "form"), [("solve_lp", fleet_of), ("solve", lambda: with_matrix(fleet_of()))]
)
def test_without_an_optimum_there_is_nothing_to_compare_with(
    monkeypatch: pytest.MonkeyPatch, name: str, form: Any
) -> None:
    nothing = SimpleNamespace(objective=None, message="it is lost")
    monkeypatch.setattr(outcome, name, lambda *given, **named: nothing)
    with pytest.raises(ArithmeticError, match=r"^the solver found no optimum to compare with: it is lost$"):
        optimum_g(form())


def test_notes_of_a_slot_are_of_that_slot_alone() -> None:
    fleet = fleet_of(1)
    now = window(fleet, 1)
    assert fleet.horizon > now.horizon
    decision = local_decision(now)
    alone = slot_objective_g(now, decision)
    assert slot_notes(fleet, decision) == gap_notes(alone, optimum_g(now), alone, bill_g(now))
    batch = replace(decision, unserved_batches=decision.unserved_batches + np.array([0, 1, 0]))
    notes = slot_notes(fleet, batch)
    assert notes == gap_notes(slot_objective_g(now, batch), optimum_g(now), alone, bill_g(now))
    assert notes["gap_to_optimum_fraction"] > slot_notes(fleet, decision)["gap_to_optimum_fraction"]
