"""Common part of the policies that solve the one model: program, solve, whole batches, and the slot's decision."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from carbon_data.stored_value import StoredValue, linear
from coordinator.market.decision import TIME_LIMIT, Feasible, Infeasible, Optimal
from coordinator.market.fleet import Fleet
from coordinator.market.forecast import PERSISTENCE_SPREAD, Persistence
from coordinator.market.instances import random_fleet, reference_day
from coordinator.market.layout import Restrictions
from coordinator.market.plan import Plan
from coordinator.market.program import build
from coordinator.market.rounding import clip_transfers
from coordinator.market.solve import Solution, explain_unserved, solve
from coordinator.policies import optimised
from coordinator.policies.deta import Deta
from coordinator.policies.optimised import optimise, outcome_of
from coordinator.policies.registry import make_policy
from coordinator.policies.validate import violations
from coordinator.simulator.regret import oracle_bound
from coordinator.simulator.simulate import Information, World, simulate
from tests.coordinator.market.plans import two_nodes
from tests.coordinator.policies.fleets import sunny

DETA = Restrictions(transfers=True, offloading=True, harvest=True)
seeds = st.integers(0, 2**32 - 1)


def early_g(fleet: Fleet) -> float:
    """What a node emits after the first slot with an empty battery: (D9) counts from there."""
    later = replace(
        fleet,
        battery_j=np.zeros(1),
        intensity_g_per_kwh=fleet.intensity_g_per_kwh[:, 1:],
        harvest_j=fleet.harvest_j[:, 1:],
        backlog_batches=fleet.release_batches[:, :1],
        release_batches=fleet.release_batches[:, 1:],
        seconds_per_batch=fleet.seconds_per_batch[:, 1:],
        joules_per_batch=fleet.joules_per_batch[:, 1:],
        bytes_per_batch=fleet.bytes_per_batch[1:],
        offloadable=fleet.offloadable[1:],
    )
    return -oracle_bound(later, make_policy("local-lp").restrictions).objective_g  # type: ignore[attr-defined]


@pytest.mark.parametrize("horizon", [1, 3, 24])
@pytest.mark.parametrize("name", ["local-lp", "det", "dat", "deta", "deta-tree"])
def test_no_policy_emits_more_than_local_with_much_harvest(name: str, horizon: int) -> None:
    world = sunny()
    local_g = simulate(world, make_policy("local")).emissions_g
    options = {"price_g_per_kwh": 0.0} if name == "deta-tree" else {}
    policy = make_policy(name, **options)
    run = simulate(world, policy, Information(horizon))
    assert run.emissions_g <= local_g * (1 + 1e-6)
    bound_g = oracle_bound(world, policy.restrictions).objective_g  # type: ignore[attr-defined]
    assert run.emissions_g <= bound_g * 1.02


@settings(max_examples=15, deadline=None)
@given(seeds, st.sampled_from([1, 2]), st.sampled_from(["local-lp", "dat", "deta"]))
def test_no_policy_emits_more_than_local_in_random_worlds(seed: int, horizon: int, name: str) -> None:
    fleet = random_fleet(seed, 4, 10, stored_value_g_per_j=np.zeros(4))
    local = simulate(World(fleet), make_policy("local"))
    run = simulate(World(fleet), make_policy(name), Information(horizon))
    bill = float((fleet.intensity_g_per_kwh.T * local.demand_j).sum()) / 3.6e6
    assert run.emissions_g <= local.emissions_g * 1.001 + 1e-3 * bill


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_equal_steps_are_the_linear_worth(seed: int) -> None:
    """Steps of equal value: the program without them, to the solver's tolerance."""
    fleet = random_fleet(seed)
    flat = linear(np.maximum(fleet.battery_capacity_j, fleet.battery_j), fleet.stored_value_g_per_j)
    three = StoredValue(np.repeat(flat.grams_per_j, 3, axis=1), np.repeat(flat.widths_j / 3, 3, axis=1))
    objectives = []
    for value in (None, flat, three):
        program = build(fleet, DETA, tie_break=False, stored_value=value)
        solution = solve(program)
        assert solution.values is not None
        objectives.append(Plan(program, solution.values).objective_g)
    assert objectives[1:] == pytest.approx([objectives[0]] * 2, rel=1e-6, abs=1e-9)


def test_known_to_the_end_a_short_horizon_values_as_the_whole_does() -> None:
    """A single node: optimising one slot with (D9) after it equals optimising all slots."""
    fleet = replace(
        reference_day(18, 1), harvest_j=2.0 * reference_day(18, 1).harvest_j, stored_value_g_per_j=np.zeros(1)
    )
    alone = make_policy("local-lp")
    whole, _ = alone.decide(fleet, None)
    short, _ = alone.decide(replace(fleet, decision_slots=1), None)
    assert short.notes["objective_g"] == pytest.approx(whole.notes["objective_g"] + early_g(fleet), rel=1e-9)


@pytest.mark.parametrize("seed", [6, 14, 16, 21])
def test_work_that_will_come_is_stored_for(seed: int) -> None:
    """DAT at a horizon of one slot: a node of low intensity keeps energy for the planned offloaded batches, not for its
    own work alone (5 to 23 % above the optimum then)."""
    rng, day = np.random.default_rng(seed), reference_day(30, 3)
    capacity = rng.uniform(1000, 4000, 3)
    world = World(
        replace(
            day,
            harvest_j=rng.uniform(0.5, 3, 3)[:, None] * day.harvest_j,
            battery_capacity_j=capacity,
            battery_j=0.5 * capacity,
            stored_value_g_per_j=np.zeros(3),
            intensity_g_per_kwh=rng.choice([24.0, 67.0, 285.0, 458.0], 3)[:, None]
            * (1 + 0.3 * np.cos(np.arange(30) / 24 * 6.28 + rng.uniform(0, 6, 3)[:, None])),
            joules_per_batch=3 * day.joules_per_batch,
        )
    )
    policy = make_policy("dat")
    bound_g = oracle_bound(world, policy.restrictions).objective_g  # type: ignore[attr-defined]
    assert simulate(world, policy, Information(1)).emissions_g <= 1.005 * bound_g


def test_rounding_costs_little_on_the_reference_day() -> None:
    decision, _ = make_policy("deta").decide(reference_day(12), None)
    outcome = decision.outcome
    assert isinstance(outcome, Optimal) or (
        isinstance(outcome, Feasible) and (outcome.gap_fraction or 0) < 5e-3
    )


def test_overload_names_the_limit_and_serves_what_fits() -> None:
    day = reference_day(1, nodes=3)
    fleet = replace(day, backlog_batches=day.backlog_batches * 5)
    for name in ("local", "det", "deta"):
        decision, _ = make_policy(name).decide(fleet, None)
        assert isinstance(decision.outcome, Infeasible)
        assert any("D7_time" in conflict for conflict in decision.outcome.conflicts)
        assert decision.unserved_batches.sum() > 0
        assert decision.unserved_batches.sum() + decision.batches.sum() == fleet.backlog_batches.sum()


def test_time_out_falls_back_and_says_so() -> None:
    decision, _ = make_policy("deta", time_limit_s=1e-9).decide(reference_day(24), None)
    assert isinstance(decision.outcome, Feasible)
    assert decision.outcome.reason.startswith("fallback: LOCAL")
    local, _ = make_policy("local").decide(reference_day(24), None)
    np.testing.assert_array_equal(decision.batches, local.batches)


@pytest.mark.parametrize("limit_s", [1e-9, 0.05, 1.0])
def test_sleep_under_a_time_limit_still_keeps_every_limit(limit_s: float) -> None:
    """The solver's result at the time limit: a plan with its gap, or LOCAL by name."""
    day = reference_day(8, nodes=5)
    fleet = replace(
        day,
        limits=replace(day.limits, may_sleep=True, deadline_slots=2),
        backlog_batches=np.hstack([np.zeros((5, 2), dtype=np.int64), day.backlog_batches]),
    )
    decision, _ = make_policy("deta", time_limit_s=limit_s).decide(fleet, None)
    assert violations(fleet, decision) == []
    assert isinstance(decision.outcome, Optimal | Feasible)
    if isinstance(decision.outcome, Feasible):
        known = decision.outcome.gap_fraction is not None
        assert known or decision.outcome.reason.startswith(("fallback: LOCAL", TIME_LIMIT))


def test_another_fleet_is_planned_again() -> None:
    fleet = replace(reference_day(24, 3), decision_slots=1)
    state = Deta().follow(fleet, None)
    assert state is not None
    lost = replace(fleet, node_ids=("edge-00", "edge-01", "edge-07"), slot=1)
    again = Deta().follow(lost, state)
    assert again is not None
    assert again.node_ids == lost.node_ids
    assert Deta().follow(replace(fleet, slot=1), state) is state


def morning(sun: float) -> World:
    """A node alone with a full battery at night, and a somewhat higher intensity in the evening. Yesterday's sun filled
    half of the battery, today's is ``sun`` times that."""
    day = reference_day(24, 1)
    hours = np.arange(24)
    clear = np.maximum(np.sin(np.pi * (hours - 6.0) / 12.0), 0.0)
    load = day.slot_s * float(day.static_w[0])
    capacity = 5 * load
    harvest = clear / clear.sum() * (clear > 0).sum() * load + clear / clear.sum() * 0.5 * capacity
    idle = replace(
        day,
        harvest_j=sun * harvest[None],
        intensity_g_per_kwh=np.where(hours < 12, 300.0, 330.0)[None],
        release_batches=np.zeros_like(day.release_batches),
        backlog_batches=np.zeros_like(day.backlog_batches),
        battery_capacity_j=np.array([capacity]),
        battery_j=np.array([capacity]),
        stored_value_g_per_j=np.zeros(1),
    )
    return World(idle, idle.intensity_g_per_kwh.copy(), harvest[None].copy())


def local_lp_g(world: World, spread: float) -> float:
    told = Information(24, Persistence(), Persistence(), harvest_spread_fraction=spread)
    return simulate(world, make_policy("local-lp"), told).emissions_g


def test_uncertain_harvest_is_hedged_by_a_node_that_plans_alone() -> None:
    """A plan on the forecast alone keeps energy for the evening, and a brighter day curtails it."""
    bright, dull = morning(1.5), morning(0.5)
    certain = [local_lp_g(world, 0.0) for world in (bright, dull)]
    hedged = [local_lp_g(world, PERSISTENCE_SPREAD) for world in (bright, dull)]
    assert hedged[0] < certain[0] * 0.99
    assert sum(hedged) < sum(certain)


@pytest.mark.parametrize("name", ["local-lp", "dat", "det", "deta"])
def test_without_trade_or_offloading_every_policy_hedges_like_local_lp(name: str) -> None:
    world = morning(1.5)
    limits = replace(world.fleet.limits, offload_cap_fraction=0.0, transfer_cap_fraction=0.0)
    closed = replace(world, fleet=replace(world.fleet, limits=limits))
    told = Information(24, Persistence(), Persistence())
    run = simulate(closed, make_policy(name), told)
    assert run.emissions_g == pytest.approx(local_lp_g(world, PERSISTENCE_SPREAD))


@settings(max_examples=10, deadline=None)
@given(seeds)
def test_policies_that_plan_together_take_the_forecast_as_it_is(seed: int) -> None:
    fleet = random_fleet(seed, 3, 6)
    assume(fleet.limits.transfer_cap_fraction > 0 or fleet.limits.offload_cap_fraction > 0)
    told = replace(fleet, harvest_spread_fraction=0.5)
    decisions = [Deta().decide(each, None)[0] for each in (fleet, told)]
    assert (decisions[0].batches == decisions[1].batches).all()
    assert decisions[0].transfer_j == pytest.approx(decisions[1].transfer_j)
    assert decisions[0].discharge_j == pytest.approx(decisions[1].discharge_j)


@pytest.mark.parametrize(("deadline", "slots"), [(0, 1), (2, 3)])
def test_uncertain_slots_are_planned_as_far_as_the_slots_work_may_run(deadline: int, slots: int) -> None:
    fleet = random_fleet(5, 3, 8, deadline_slots=deadline)
    told = replace(fleet, harvest_spread_fraction=0.3)
    policy = make_policy("local-lp")
    assert policy.decided_slots(told) == slots  # type: ignore[attr-defined]
    assert policy.decided_slots(fleet) == 8  # type: ignore[attr-defined]


def test_the_plan_is_one_of_whole_batches() -> None:
    """A quarter of ten batches may leave: two whole ones, which is then proven optimal, and not 2.5 less rounding."""
    fleet = two_nodes()
    decision = optimise(replace(fleet, limits=replace(fleet.limits, offload_cap_fraction=0.25)), DETA)
    assert decision.batches.tolist() == [[8, 2], [0, 0]]
    grams = (8 * 36 * 720 + 2 * (720 + 38 * 36 + 378)) / 3.6e6
    assert isinstance(decision.outcome, Optimal)
    assert decision.outcome.objective_g == pytest.approx(grams)
    assert decision.notes == {"objective_g": pytest.approx(grams), "plan_emissions_g": pytest.approx(grams)}


def solved() -> tuple[Solution, Plan, float]:
    """A solved slot, its plan, and its objective without the tie-break, in the program's units."""
    program = build(two_nodes(), DETA, whole_batches=True)
    first = solve(program)
    assert first.values is not None
    plan = Plan(program, first.values)
    return first, plan, float(program.cost @ first.values) - program.quiet_cost(first.values)


NONE_MISSED = np.zeros(2, dtype=np.int64)
CUT = "Time limit reached"
"""The solver's word."""


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"message": CUT, "optimal": False}, "time limit reached, best plan found"),
        ({"optimal": True}, "whole batches"),
        ({"optimal": False, "message": "Optimal"}, "within the gap asked for"),
        ({"optimal": False, "message": "Solution limit reached"}, "Solution limit reached"),
    ],
)
def test_a_gap_to_the_bound_is_said_with_its_reason(changes: dict[str, object], reason: str) -> None:
    first, plan, objective = solved()
    found = outcome_of(replace(first, bound=0.9 * objective, **changes), plan, NONE_MISSED)  # type: ignore[arg-type]
    assert found == Feasible(pytest.approx(0.1), reason)  # type: ignore[arg-type]


@pytest.mark.parametrize("share", [1.0, 1.5, 1.0 - 5e-7])
def test_a_plan_at_its_bound_is_optimal(share: float) -> None:
    first, plan, objective = solved()
    cut = replace(first, bound=share * objective, message=CUT, optimal=False)
    assert outcome_of(cut, plan, NONE_MISSED) == Optimal(plan.objective_g)


def test_a_plan_without_a_bound_has_no_gap() -> None:
    first, plan, _ = solved()
    for message, reason in ((CUT, "time limit reached, best plan found, no bound"), ("Unknown", "Unknown")):
        assert outcome_of(replace(first, bound=None, message=message), plan, NONE_MISSED) == Feasible(
            None, reason
        )


def test_work_left_undone_names_its_limit_or_the_whole_batches() -> None:
    first, plan, _ = solved()
    said = outcome_of(first, plan, np.array([2, 1]))
    assert said == Infeasible(
        ("(D4) all work done by its deadline", "whole batches: a fractional plan would do"),
        {"(D4) unserved [batches]": 3.0},
    )
    program = build(two_nodes(backlog_batches=np.array([[200], [0]])), DETA, whole_batches=True)
    values = solve(program).values
    assert values is not None
    late = outcome_of(first, Plan(program, values), NONE_MISSED)
    assert late == explain_unserved(program)
    assert isinstance(late, Infeasible)
    assert sum(late.excess.values()) > 0


@pytest.mark.parametrize("seed", range(12))
def test_the_plan_that_is_watched_is_the_decision(seed: int) -> None:
    """Whole batches, who is awake, battery and transfers of the first slot are those of one plan."""
    fleet = random_fleet(seed, nodes=4, horizon=3, deadline_slots=seed % 3, may_sleep=seed % 4 == 0)
    seen: list[Plan] = []
    decision = optimise(fleet, DETA, watch=seen.append)
    if not seen:  # replaced by LOCAL's rule
        assert isinstance(decision.outcome, Feasible)
        return
    (plan,) = seen
    assert np.abs(plan.batches(0) - decision.batches).max() < 1e-5
    assert decision.awake.tolist() == plan.awake[:, 0].tolist()
    both = np.minimum(plan.charge_j[:, 0], plan.discharge_j[:, 0])
    assert decision.charge_j == pytest.approx(plan.charge_j[:, 0] - both)
    assert decision.discharge_j == pytest.approx(plan.discharge_j[:, 0] - both)
    sent = clip_transfers(plan.transfers(0), fleet)
    assert list(decision.transfers.rows()) == list(sent.rows())
    assert decision.notes == {"objective_g": plan.objective_g, "plan_emissions_g": plan.emissions_g}


def test_the_models_energy_is_added_once_a_node_runs() -> None:
    fleet = SimpleNamespace(model_j=np.array([[50.0, 1.0], [40.0, 1.0], [30.0, 1.0], [20.0, 1.0]]), size=4)
    share = np.array([[5.0, 9.0], [0.0, 9.0], [4.0, 9.0], [2.0, 9.0]])
    program: Any = SimpleNamespace(fleet=fleet, model_share_j=share)
    batches = np.array([[2, 0, 0, 0], [1, 2, 0, 0], [0, 0, 0, 10], [0, 0, 0, 0]])
    assert optimised._drawn_beside(program, batches).tolist() == [35.0, 0.0, 0.0, 0.0]
    program.fleet.model_j = None
    assert optimised._drawn_beside(program, batches).tolist() == [0.0] * 4


@pytest.mark.parametrize(
    ("late", "chosen"),
    [
        ((0.0, 2.0, 1.0), "early"),  # the early rounding leaves less undone
        ((0.0, 2.0, 2.0), "plain"),  # no better
        ((2.0, 2.0, 1.0), "plain"),  # the plain one is as good as no rounding: the other is not asked for
        ((0.0, None, 1.0), "early"),  # no plan around the plain one, and the first plan leaves more undone
        ((0.0, 2.0, None), "plain"),  # no plan around the early one
    ],
)
def test_batches_are_rounded_early_where_that_leaves_less_undone(
    monkeypatch: pytest.MonkeyPatch, late: tuple[float | None, ...], chosen: str
) -> None:
    """``late``: batches left undone by the fractional plan, around plainly rounded ones, and around early ones."""
    fleet = two_nodes()
    plain, early = np.array([[7, 3], [0, 0]]), np.array([[6, 4], [0, 0]])
    calls: list[Any] = []
    undone = {}

    def rounded(fractional: Any, limits: Any, early_: bool = False, **kind: bool) -> Any:
        assert fractional.shape == (2, 2)
        assert limits.available.tolist() == [10, 0]
        return early if kind.get("early", early_) else plain

    def around(session: Any, plan: Plan, batches: Any) -> Any:
        calls.append(batches.tolist())
        assert session.program is plan.program
        place = 1 if batches is plain else 2
        if late[place] is None:
            return None, plan
        values = plan.values + 0.0
        undone[id(values)] = late[place]
        found = Plan(plan.program, values)
        return "a solution", found

    monkeypatch.setattr(optimised, "round_batches", lambda f, limits, early=False: rounded(f, limits, early))
    monkeypatch.setattr(optimised, "_around", around)
    first_late = late[0] if late[1] is not None else 5.0
    monkeypatch.setattr(optimised, "unserved", lambda program, values: undone.get(id(values), first_late))
    kept: list[Plan] = []
    decision = optimise(fleet, DETA, watch=kept.append)
    assert decision.batches.tolist() == (early if chosen == "early" else plain).tolist()
    asked_twice = late != (2.0, 2.0, 1.0)
    assert calls == [plain.tolist(), early.tolist()] if asked_twice else [plain.tolist()]
    assert len(kept) == 1


def test_a_large_fleet_is_decided_in_the_hub_form(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def wide(*given: Any) -> str:
        asked.append(given)
        return "decided"

    fleet = reference_day(4, nodes=2)
    fleet = replace(fleet, decision_slots=2)
    policy = Deta(mip_gap=0.02)
    monkeypatch.setattr(optimised, "why_pairwise", lambda told: None if told.horizon == 2 else "small")
    monkeypatch.setattr(optimised, "decide_wide", wide)
    decision, state = policy.decide(fleet, None)
    ((decided, restrictions, gap, value),) = asked
    assert decision == "decided"  # type: ignore[comparison-overlap]
    assert decided.horizon == 2
    assert decided.intensity_g_per_kwh.tolist() == fleet.intensity_g_per_kwh[:, :2].tolist()
    assert (restrictions, gap) == (policy.restrictions, 0.02)
    assert state is not None
    assert value is not None
    again = policy.ahead(fleet, state)[1]
    assert again is not None
    np.testing.assert_array_equal(value.grams_per_j, again.grams_per_j)


def test_a_worth_of_many_steps_is_put_into_few(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = replace(reference_day(4, nodes=2), decision_slots=2)
    grams = np.sort(np.random.default_rng(1).uniform(0, 1e-4, (2, 30)))[:, ::-1].copy()
    many = StoredValue(grams, np.full((2, 30), 50.0))
    given: list[Any] = []

    def value_after(*arguments: Any) -> StoredValue:
        given.append(arguments)
        return many

    monkeypatch.setattr(optimised, "value_after", value_after)
    policy = Deta()
    state = policy.follow(fleet, None)
    decided, value = policy.ahead(fleet, state)
    assert value is not None
    np.testing.assert_array_equal(value.grams_per_j, many.in_steps(24).grams_per_j)
    assert value.grams_per_j.shape[1] <= 24
    assert decided.horizon == 2
    ((known, slots, told, transfers),) = given
    assert (known, slots, told, transfers) == (fleet, 2, state, True)
    few = StoredValue(grams[:, :24].copy(), np.full((2, 24), 50.0))
    monkeypatch.setattr(optimised, "value_after", lambda *_: few)
    assert policy.ahead(fleet, state)[1] is few


def test_a_large_fleet_that_is_decided_pairwise_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = random_fleet(4, nodes=4, horizon=2, pairwise_losses=True)
    small, _ = make_policy("deta").decide(fleet, None)
    assert not [name for name in small.notes if name.startswith("pairwise_form")]
    monkeypatch.setattr("coordinator.market.wide.decide.WIDE_FROM", 4)
    monkeypatch.setattr(optimised, "WIDE_FROM", 4)
    large, _ = make_policy("deta").decide(fleet, None)
    assert large.notes == small.notes | {"pairwise_form: losses by pair": 1.0}


@settings(max_examples=60, deadline=None)
@given(
    seed=seeds, name=st.sampled_from(["det", "dat", "deta"]), deadline=st.integers(0, 2), over=st.booleans()
)
def test_a_decision_through_a_hub_is_as_good_as_by_pair(
    seed: int, name: str, deadline: int, over: bool
) -> None:
    fleet = random_fleet(seed, deadline_slots=deadline)
    if over:
        fleet = replace(fleet, limits=replace(fleet.limits, transfer_cap_over="horizon"))
    freedoms = make_policy(name).restrictions  # type: ignore[attr-defined]
    by_pair, through = (optimise(fleet, freedoms, hub=hub) for hub in (False, True))
    assert violations(fleet, through) == []
    assert through.unserved_batches.sum() <= by_pair.unserved_batches.sum()
    bill_g = float((fleet.intensity_g_per_kwh * fleet.static_w[:, None]).sum()) * fleet.slot_s / 3.6e6
    scale = max(abs(by_pair.notes["objective_g"]), by_pair.notes["plan_emissions_g"], 1e-6 * bill_g)
    best = by_pair.notes["objective_g"] - rounding_gap(by_pair.outcome) * scale
    assert through.notes["objective_g"] >= best - 1e-5 * scale, "below the optimum"
    if not isinstance(through.outcome, Infeasible):
        assert through.notes["objective_g"] <= best + (rounding_gap(through.outcome) + 1e-5) * max(
            scale, abs(through.notes["objective_g"]), through.notes["plan_emissions_g"]
        )


def rounding_gap(outcome: Optimal | Feasible | Infeasible) -> float:
    """Stated distance to the optimum of fractions."""
    return float(getattr(outcome, "gap_fraction", 0.0) or 0.0)
