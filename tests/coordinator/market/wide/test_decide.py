"""Decisions in the hub form: those of the pairwise program, to the proven gap, within every limit."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.optimiser import large_fleet
from carbon_data.stored_value import StoredValue
from coordinator.market.decision import Feasible, Infeasible, Optimal
from coordinator.market.fleet import Fleet
from coordinator.market.instances import random_fleet
from coordinator.market.layout import Restrictions
from coordinator.market.rounding import WorkLimits
from coordinator.market.solve import SolverOptions
from coordinator.market.wide import decide as module
from coordinator.market.wide import decomposition
from coordinator.market.wide.decide import WIDE_FROM, decide, why_pairwise
from coordinator.market.wide.first_slot import FirstSlot, WholePlan
from coordinator.market.wide.hub import from_fleet
from coordinator.market.wide.value_steps import with_value
from coordinator.policies.optimised import optimise
from coordinator.policies.registry import make_policy
from coordinator.policies.validate import violations
from coordinator.simulator.simulate import Information, World, simulate
from tests.coordinator.market.wide.sleeping import EVERYTHING, mixed_fleet, sleeping_fleet

GAP = 1e-4
seeds = st.integers(0, 2**32 - 1)
freedoms = st.builds(Restrictions, transfers=st.booleans(), offloading=st.booleans(), harvest=st.just(True))


def random_worth(fleet: Fleet, seed: int) -> StoredValue:
    """Falling steps over each battery."""
    rng = np.random.default_rng(seed)
    capacity = np.maximum(fleet.battery_capacity_j, fleet.battery_j)
    grams = -np.sort(-rng.uniform(0, 2e-4, (fleet.size, 5)), axis=1)
    shares = rng.dirichlet(np.ones(5), fleet.size)
    return StoredValue(grams, capacity[:, None] * shares)


def bill_g(fleet: Fleet) -> float:
    return float((fleet.intensity_g_per_kwh * fleet.static_w[:, None]).sum()) * fleet.slot_s / 3.6e6


@settings(max_examples=60, deadline=None)
@given(seeds, freedoms, st.booleans(), st.integers(0, 3))
def test_equals_the_pairwise_form(
    seed: int, restrictions: Restrictions, valued: bool, deadline_slots: int
) -> None:
    fleet = random_fleet(seed, deadline_slots=deadline_slots)
    value = random_worth(fleet, seed) if valued else None
    wide = decide(fleet, restrictions, GAP, value)
    assert violations(fleet, wide) == []
    pairwise = optimise(fleet, restrictions, stored_value=value)
    assert wide.unserved_batches.sum() <= pairwise.unserved_batches.sum()
    if not isinstance(pairwise.outcome, Infeasible):
        assert not isinstance(wide.outcome, Infeasible), "work left undone that a plan could do"
    scale = max(abs(pairwise.notes["objective_g"]), pairwise.notes["plan_emissions_g"], 1e-6 * bill_g(fleet))
    gap = getattr(pairwise.outcome, "gap_fraction", 0.0) or 0.0
    above = wide.notes["objective_g"] - pairwise.notes["objective_g"]
    assert above >= -(gap + 1e-5) * scale, "below the optimum"
    if not wide.unserved_batches.any():
        own_scale = max(abs(wide.notes["objective_g"]), wide.notes["plan_emissions_g"], scale)
        assert above <= (whole_batches_gap(wide.outcome) + 1e-5) * own_scale


def whole_batches_gap(outcome: Optimal | Feasible | Infeasible) -> float:
    assert isinstance(outcome, Optimal | Feasible)
    return 0.0 if isinstance(outcome, Optimal) else outcome.gap_fraction or 0.0


def test_a_large_fleet_is_decided_in_the_hub_form_and_proves_its_gap() -> None:
    fleet = replace(large_fleet(WIDE_FROM, 6), decision_slots=1)
    decision, _ = make_policy("deta").decide(fleet, None)
    assert decision.notes["wide_form"] == 1.0
    assert violations(fleet, decision) == []
    assert isinstance(decision.outcome, Optimal | Feasible)
    assert whole_batches_gap(decision.outcome) <= 1e-3
    assert decision.offloaded_batches() > 0
    # a pair for about every node, not for every pair of nodes
    assert len(decision.moves) <= 2 * fleet.size
    assert len(decision.transfers) <= 2 * fleet.size


@pytest.mark.parametrize("name", ["local-lp", "det", "dat", "deta"])
def test_both_forms_roll_a_day_alike(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine slots of a morning: emissions agree to a thousandth."""
    fleet = replace(large_fleet(12, 18), stored_value_g_per_j=np.zeros(12))
    day = World(fleet)
    pairwise = simulate(day, make_policy(name), Information(1)).emissions_g
    monkeypatch.setattr("coordinator.market.wide.decide.WIDE_FROM", 1)
    wide = simulate(day, make_policy(name), Information(1)).emissions_g
    assert wide == pytest.approx(pairwise, rel=2e-3)


def test_work_without_a_place_is_reported() -> None:
    fleet = random_fleet(3, 4, 2)
    crowded = replace(fleet, backlog_batches=fleet.backlog_batches + 10**6)
    decision = decide(crowded, Restrictions(True, True, True))
    assert violations(crowded, decision) == []
    assert isinstance(decision.outcome, Infeasible)
    assert decision.outcome.excess["(D4) unserved [batches]"] == decision.unserved_batches.sum() > 0


def test_later_work_without_a_place_is_told_too() -> None:
    fleet = random_fleet(3, 4, 2)
    crowded = replace(fleet, release_batches=fleet.release_batches + 10**6)
    for decision in (
        decide(crowded, Restrictions(True, True, True)),
        optimise(crowded, Restrictions(True, True, True)),
    ):
        assert violations(crowded, decision) == []
        assert not decision.unserved_batches.any()
        assert isinstance(decision.outcome, Infeasible)


def test_model_energy_of_nodes_that_run_nothing_is_not_drawn() -> None:
    """The share on every batch is made up to m_i where whole batches run, and nowhere else."""
    fleet = random_fleet(11, 5, 2)
    with_models = replace(fleet, model_j=np.full((5, 2), 30.0))
    restrictions = Restrictions(True, True, True)
    wide, pairwise = (
        decide(with_models, restrictions, GAP),
        optimise(with_models, restrictions),
    )
    assert wide.notes["objective_g"] == pytest.approx(
        pairwise.notes["objective_g"], rel=1e-3 + whole_batches_gap(wide.outcome)
    )


def test_what_the_hub_form_cannot_do_is_named() -> None:
    large = large_fleet(WIDE_FROM, 2)
    sleepy = replace(large, limits=replace(large.limits, may_sleep=True))
    assert why_pairwise(large) is None
    reasons = {
        "fewer": large_fleet(WIDE_FROM - 1, 2),
        "horizon": replace(large, limits=replace(large.limits, transfer_cap_over="horizon")),
        "pair": replace(large, loss_fraction=np.zeros((WIDE_FROM, WIDE_FROM))),
    }
    assert why_pairwise(sleepy) is None
    assert why_pairwise(replace(sleepy, can_sleep=np.arange(WIDE_FROM) > 0)) is None
    for word, fleet in reasons.items():
        assert word in str(why_pairwise(fleet))


@settings(max_examples=5, deadline=None)
@given(seeds, st.integers(4, 12), st.booleans(), st.booleans())
def test_sleeping_fleets_are_decided_near_the_mixed_integer_optimum(
    seed: int, nodes: int, valued: bool, mixed: bool
) -> None:
    """Also those of which some nodes cannot sleep."""
    fleet = mixed_fleet(seed, nodes, 3) if mixed else sleeping_fleet(seed, nodes, 3)
    value = random_worth(fleet, seed) if valued else None
    wide = decide(fleet, EVERYTHING, 1e-3, value, workers=1)
    assert violations(fleet, wide) == []
    pairwise = optimise(fleet, EVERYTHING, SolverOptions(1e-4, 20.0), stored_value=value)
    assert wide.unserved_batches.sum() <= pairwise.unserved_batches.sum()
    scale = max(abs(pairwise.notes["objective_g"]), pairwise.notes["plan_emissions_g"], 1e-6 * bill_g(fleet))
    above = wide.notes["objective_g"] - pairwise.notes["objective_g"]
    if isinstance(wide.outcome, Feasible | Optimal):  # what whole batches cost beside, the stated gap knows
        assert above <= max(0.02, whole_batches_gap(wide.outcome)) * scale
    assert 0.0 <= wide.notes["asleep_fraction"] <= 1.0
    assert wide.notes["schedules"] >= 1.0


def test_a_large_fleet_that_may_sleep_is_decided_in_the_hub_form() -> None:
    """Half of them have work that may leave: they sleep, and the rest run it."""
    fleet = large_fleet(WIDE_FROM, 2)
    limits = replace(fleet.limits, may_sleep=True, offload_cap_fraction=1.0)
    fleet = replace(fleet, limits=limits, decision_slots=1)
    assert why_pairwise(fleet) is None
    decision, _ = make_policy("deta").decide(fleet, None)
    assert violations(fleet, decision) == []
    assert isinstance(decision.outcome, Feasible)
    assert "schedule" in decision.outcome.reason
    assert not decision.unserved_batches.any()
    assert 0 < decision.awake.sum() < WIDE_FROM / 2
    staying = make_policy("deta").decide(replace(fleet, limits=replace(limits, may_sleep=False)), None)[0]
    assert decision.notes["objective_g"] < staying.notes["objective_g"]


def test_a_large_fleet_some_of_whose_nodes_can_sleep_is_decided_in_the_hub_form() -> None:
    """Two thirds cannot sleep; of the others some have work to leave to them."""
    fleet = large_fleet(WIDE_FROM, 2)
    limits = replace(fleet.limits, may_sleep=True, offload_cap_fraction=1.0)
    can = np.arange(WIDE_FROM) % 3 == 0
    fleet = replace(fleet, limits=limits, can_sleep=can, decision_slots=1)
    decision, _ = make_policy("deta").decide(fleet, None)
    assert decision.notes["wide_form"] == 1.0
    assert violations(fleet, decision) == []
    assert not decision.unserved_batches.any()
    assert decision.awake[~can].all()
    assert not decision.awake[can].all()
    assert decision.notes["asleep_fraction"] == pytest.approx((~decision.awake).mean())


def day_of_work() -> Fleet:
    """Four nodes, three slots, work that may wait one; all have batteries."""
    fleet = random_fleet(21, 4, 3, deadline_slots=1, charge_efficiency=np.full(4, 0.9))
    rng = np.random.default_rng(21)
    return replace(
        fleet,
        limits=replace(fleet.limits, offload_cap_fraction=0.6, transfer_cap_fraction=0.8),
        battery_capacity_j=np.full(4, 90.0),
        battery_j=np.array([10.0, 80.0, 40.0, 0.0]),
        harvest_j=rng.uniform(0, 1.2, (4, 3)) * fleet.slot_s * fleet.static_w[:, None],
        stored_value_g_per_j=rng.uniform(1e-5, 1e-4, 4),
    )


class Plans:
    """First slots whose plans have given objectives (g above the true one) and batches of a due class left undone."""

    def __init__(self, *plans: tuple[float, float]) -> None:
        self.left, self.asked = list(plans), list[tuple[Any, bool, Any]]()

    def __call__(self, *given: Any) -> Any:
        first, plans = FirstSlot(*given), self
        self.given = given

        class Slot:
            def whole(self, alike: Any = None, solve: Any = None, *, early: Any = False) -> WholePlan:
                plans.asked.append((alike, solve is not None, early))
                found = first.whole()
                if solve is not None:
                    solve(first.program)
                above, undone = plans.left.pop(0)
                unserved = found.plan.unserved_batches.copy()
                unserved[2, 0] = undone
                unserved[3] = 5.0  # due after the last slot: that is left for later
                plan = replace(found.plan, unserved_batches=unserved)
                return replace(found, plan=plan, objective_g=found.objective_g + above)

        return Slot()


@pytest.mark.parametrize(
    ("plans", "above"),
    [
        ([(0.0, 0.0), (0.1, 0.0)], 0.0),
        ([(5.0, 0.0), (0.0, 0.0)], 0.0),
        ([(5.0, 0.0), (4.0, 0.0), (0.0, 0.0)], 0.0),
        ([(5.0, 0.0), (4.0, 0.0), (6.0, 0.0)], 4.0),
        ([(5.0, 0.0), (0.0, 1.0), (4.0, 0.0)], 4.0),  # grams below those of a plan that leaves work undone
        ([(0.0, 2.0), (3.0, 1.0), (4.0, 0.5), (9.0, 1.0)], 4.0),
        ([(0.0, 2.0), (3.0, 2.0), (2.0, 2.0), (1.0, 2.0)], 0.0),
        ([(0.0, 2.0), (3.0, 0.0), (2.0, 0.0)], 2.0),
        ([(0.0, 2.0), (3.0, 2.0), (0.0, 0.0)], 0.0),
        ([(0.0, 1e-7), (0.1, 1e-7)], 0.0),  # rounding of a batch is none
    ],
)
def test_other_whole_batches_are_tried_until_the_gap_is_kept(
    plans: list[tuple[float, float]], above: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches are left at every node, after the last slot: all run no less now than the fractions say."""
    fleet = day_of_work()
    rules = Restrictions(True, True, True)
    fake = Plans(*plans)
    expected = decide(fleet, rules, 0.05).notes["objective_g"]
    monkeypatch.setattr(module, "FirstSlot", fake)
    found = decide(fleet, rules, 0.05)
    assert fake.left == [], "as many as it takes"
    assert fake.asked[0] == (None, False, False)
    assert fake.given[:2] == (fleet, rules)
    for place, (alike, solves, early) in enumerate(fake.asked[1:]):
        assert alike is None, "no two nodes are alike here"
        assert solves == (place > 0)
        assert np.asarray(early).tolist() == [True] * 4
    assert found.notes["objective_g"] == pytest.approx(expected + above)


def test_where_work_is_left_undone_more_of_it_now_is_tried_first() -> None:
    different, same = np.arange(3), np.array([0, 1, 0])
    assert module._others(different, undone=False) == [(None, False)]
    assert module._others(different, undone=True) == [(None, True), (None, False)]
    assert module._others(same, undone=False) == [(None, False), (same, False)]


@pytest.mark.parametrize("valued", [False, True])
def test_a_decision_by_hand(valued: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every field, from the plan around the slot's whole batches and the bound of the plan with fractions."""
    fleet, rules = day_of_work(), Restrictions(True, True, True)
    value = random_worth(fleet, 5) if valued else None
    solved: list[tuple[Any, ...]] = []
    solve = decomposition.solve

    def seen(program: Any, gap: float, workers: int | None = None) -> Any:
        solved.append((program, gap, workers, solve(program, gap, workers=workers)))
        return solved[-1][-1]

    monkeypatch.setattr(decomposition, "solve", seen)
    found = decide(fleet, rules, 0.02, value, workers=1)
    planned = from_fleet(fleet, rules, whole_batches=True)
    worth_g = 0.0
    if value is not None:
        planned, worth_g = with_value(planned, value)
        assert worth_g == pytest.approx(float((value.grams_per_j * value.widths_j).sum()))
    program, gap, workers, certified = solved[0]
    for spec in fields(planned):
        np.testing.assert_array_equal(getattr(program, spec.name), getattr(planned, spec.name))
    bill = sum(planned.grams_per_j[t, n] * planned.static_j[t, n] for t in range(3) for n in range(4))
    assert (gap, workers) == (pytest.approx(0.02 * 0.5 * bill / (bill + worth_g)), 1)
    limits = WorkLimits.of(fleet, np.ones(4, dtype=bool))
    whole = FirstSlot(fleet, rules, planned, certified.plan, limits).whole()
    objective = whole.objective_g - worth_g
    if len(solved) == 1:
        assert found.notes == {
            "objective_g": pytest.approx(objective),
            "plan_emissions_g": pytest.approx(whole.emissions_g),
            "wide_form": 1.0,
        }
    charge, discharge = whole.plan.charge_j[0], whole.plan.discharge_j[0]
    assert len(solved) == 1, "the first whole batches are good enough here"
    assert found.home_batches.tolist() == whole.work.home.tolist()
    assert found.away_batches().tolist() == whole.work.away.tolist()
    assert found.guest_batches().tolist() == whole.work.guests.tolist()
    for n in range(4):
        assert found.charge_j[n] == pytest.approx(max(charge[n] - discharge[n], 0.0))
        assert found.discharge_j[n] == pytest.approx(max(discharge[n] - charge[n], 0.0))
    assert found.discharge_j.any()
    assert found.charge_j.any()
    assert found.transfers.given(4) == pytest.approx(whole.plan.export_j[0], abs=1e-3)
    assert found.awake.tolist() == [True] * 4
    assert found.selected is None
    assert found.unserved_batches.tolist() == [0] * 4
    scale = max(abs(objective), whole.emissions_g)
    proven = max(objective - (certified.bound_g - worth_g), 0.0) / scale
    assert isinstance(found.outcome, Feasible)
    assert found.outcome.gap_fraction == pytest.approx(proven, rel=1e-6)
    assert found.outcome.reason == "wide form for 4 nodes: proven gap of the plan with whole batches"


def test_due_work_beyond_all_time_is_missed_node_by_node() -> None:
    fleet = random_fleet(3, 3, 2, seconds_per_batch=np.full((3, 2), 4.0), slot_s=30.0)
    work = np.array([[30], [1], [2]])
    fleet = replace(fleet, backlog_batches=work, release_batches=0 * work)
    fleet = replace(fleet, limits=replace(fleet.limits, offload_cap_fraction=0.0))
    found = decide(fleet, Restrictions(True, True, True))
    assert found.unserved_batches.tolist() == [23, 0, 0]
    assert found.home_batches.tolist() == [7, 1, 2]
    assert found.outcome == Infeasible(
        ("(D4) all work done by its deadline", "23 batches have no place"), {"(D4) unserved [batches]": 23.0}
    )


def test_the_gap_asked_for_leaves_the_half_to_whole_batches() -> None:
    fleet = day_of_work()
    planned = from_fleet(fleet, Restrictions(True, True, True))
    bill = float((planned.grams_per_j * planned.static_j).sum())
    ask = module._wanted
    assert ask(fleet, planned, 0.0, 0.004) == pytest.approx(0.002)
    assert ask(fleet, planned, 3.0 * bill, 0.004) == pytest.approx(0.002 / 4)
    assert ask(fleet, planned, 0.0, 0.9) == 1e-2
    assert ask(fleet, planned, 0.0, 1e-9) == 1e-7
    dark = replace(planned, grams_per_j=0 * planned.grams_per_j)
    assert ask(fleet, dark, 0.0, 0.004) == pytest.approx(0.002)
    assert ask(fleet, dark, 0.5, 0.004) == 1e-7


def test_the_gap_of_a_plan_is_relative_to_its_objective_or_its_grams() -> None:
    fleet = day_of_work()
    planned = from_fleet(fleet, Restrictions(True, True, True))
    plan = decomposition.solve(planned, 1e-2).plan
    limits = WorkLimits.of(fleet, np.ones(4, dtype=bool))
    whole = FirstSlot(fleet, Restrictions(True, True, True), planned, plan, limits).whole()
    grams = whole.emissions_g
    for objective, worth, bound, wanted in (
        (9.0 * grams, grams, 4.0 * grams, 4.0 / 8.0),
        (-9.0 * grams, grams, -12.0 * grams, 2.0 / 10.0),
        (1.2 * grams, grams, 0.0, 0.2),
        (1.2 * grams, grams, 0.3 * grams, 0.0),
    ):
        assert module._gap(replace(whole, objective_g=objective), worth, bound) == pytest.approx(wanted)
    free = replace(planned, grams_per_j=0 * planned.grams_per_j, network_g=0 * planned.network_g)
    none = replace(whole, program=free)
    assert module._gap(replace(none, objective_g=0.0), 0.0, -1.0) == 0.0


def test_outcomes_of_gaps_and_of_work_undone() -> None:
    assert module._outcome(7.0, 1e-6, 1e-6, 5) == Optimal(7.0)
    asleep = module._outcome(7.0, 1.1e-6, 0.0, 5, sleeps=True)
    assert isinstance(asleep, Feasible)
    assert "schedule" in asleep.reason
    feasible = module._outcome(7.0, 1.1e-6, 0.0, 5)
    assert feasible == Feasible(1.1e-6, "wide form for 5 nodes: proven gap of the plan with whole batches")
    undone = module._outcome(7.0, 0.0, 1.5, 5)
    text = ("(D4) all work done by its deadline", "1.5 batches have no place")
    assert undone == Infeasible(text, {"(D4) unserved [batches]": 1.5})


def test_transfers_leave_their_donors_and_dust_is_none() -> None:
    """Two donors with losses of their own, one recipient: what arrives at the hub is laid out to who takes it."""
    fleet = day_of_work()
    planned = from_fleet(fleet, Restrictions(True, True, True))
    plan = decomposition.solve(planned, 1e-2).plan
    efficiency = np.array([0.5, 0.8, 0.9, 0.0])
    planned = replace(planned, export_efficiency=efficiency, static_j=np.full((3, 4), 1e6))
    export, import_ = plan.export_j.copy(), plan.import_j.copy()
    export[0], import_[0] = [8.0, 10.0, 1.0, 0.9], [0.5, 0.0, 12.0, 1.0]
    found = module._transfers(planned, replace(plan, export_j=export, import_j=import_))
    assert (found.source.tolist(), found.target.tolist()) == ([0, 1], [2, 2])
    assert found.amount == pytest.approx([8.0, 10.0])


def test_a_worth_of_many_steps_is_planned_with_eight() -> None:
    rng = np.random.default_rng(1)
    for steps in (3, 8, 9, 32):
        value = StoredValue(-np.sort(-rng.uniform(0, 1e-4, (4, steps)), axis=1), np.full((4, steps), 5.0))
        few = module._few(value)
        assert few.grams_per_j.shape == (4, min(steps, 8))
        if steps <= 8:
            assert few is value


def test_a_gap_just_as_wide_as_asked_for_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Plans((0.0, 0.0), (0.0, 0.0), (0.0, 0.0))
    monkeypatch.setattr(module, "FirstSlot", fake)
    monkeypatch.setattr(module, "_gap", lambda *plan: 0.05)
    decide(day_of_work(), Restrictions(True, True, True), 0.05)
    assert len(fake.asked) == 2  # the second rounds up where later slots are full; no other is tried


def test_decisions_are_to_a_thousandth_where_nothing_else_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[float, Any]] = []
    solve = decomposition.solve

    def noted(program: Any, gap: float, workers: Any = None) -> Any:
        asked.append((gap, workers))
        return solve(program, gap, workers=workers)

    monkeypatch.setattr(decomposition, "solve", noted)
    decide(day_of_work(), Restrictions(True, True, True))
    assert asked[0] == (pytest.approx(0.5e-3), None)
    asked.clear()
    fake = Plans((1.0, 0.0), (1.0, 0.0), (1.0, 0.0))
    monkeypatch.setattr(module, "FirstSlot", fake)
    found = decide(day_of_work(), Restrictions(True, True, True), 0.01, workers=2)
    assert asked == [(pytest.approx(0.5e-2), 2)] * 2
    assert isinstance(found.outcome, Feasible)
    assert found.outcome.gap_fraction is not None
    assert found.outcome.gap_fraction > 0.01, "told as it is where no other batches are better"
