"""Expectation of the slots after a policy's decision: the days over which (D9) is computed, and hub prices."""

from __future__ import annotations

from dataclasses import fields, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from coordinator.market import outlook
from coordinator.market.fleet import Fleet
from coordinator.market.instances import reference_day
from coordinator.market.layout import Restrictions
from coordinator.market.outlook import value_after
from coordinator.market.plan import Plan
from coordinator.market.program import build
from coordinator.market.solve import SolverOptions, solve
from coordinator.policies.dat import Dat
from coordinator.policies.local_lp import LocalLp
from coordinator.simulator.simulate import Information, World, simulate


def test_what_lies_beyond_is_expected_like_the_last_known_day() -> None:
    fleet = reference_day(24, 3)
    goes_on = replace(fleet, decision_slots=24, later_slots=24, stored_value_g_per_j=np.zeros(3))
    twice = replace(
        fleet,
        intensity_g_per_kwh=np.tile(fleet.intensity_g_per_kwh, (1, 2)),
        harvest_j=np.tile(fleet.harvest_j, (1, 2)),
        release_batches=np.hstack([fleet.release_batches, fleet.backlog_batches, fleet.release_batches]),
        seconds_per_batch=np.tile(fleet.seconds_per_batch, (1, 2)),
        joules_per_batch=np.tile(fleet.joules_per_batch, (1, 2)),
        bytes_per_batch=np.tile(fleet.bytes_per_batch, 2),
        offloadable=np.tile(fleet.offloadable, 2),
        stored_value_g_per_j=np.zeros(3),
    )
    expected, found = value_after(twice, 24, None), value_after(goes_on, 24, None)
    for share in (0.1, 0.5, 1.0):
        charge = share * fleet.battery_capacity_j
        np.testing.assert_allclose(found.of(charge), expected.of(charge), rtol=1e-9)


def test_an_outlook_holds_for_the_same_nodes_until_the_next_is_due() -> None:
    fleet = replace(reference_day(4, 2), slot=10, day_slots=24)
    made = outlook.Outlook(10, fleet.node_ids, np.zeros(4), np.zeros((4, 2)))
    ages = {slot: made.holds(replace(fleet, slot=slot), 4) for slot in (9, 10, 15, 16)}
    assert ages == {9: False, 10: True, 15: True, 16: False}
    assert [made.holds(replace(fleet, slot=slot), 2) for slot in (21, 22)] == [True, False]
    assert not made.holds(replace(fleet, node_ids=("a", "b")), 4)
    whole = replace(fleet, slot=16, day_slots=26)  # a quarter of 26 slots are six
    assert not made.holds(whole, 4)
    brief = replace(fleet, day_slots=3)  # at least the slot it was made in
    assert [made.holds(replace(brief, slot=slot), 4) for slot in (10, 11)] == [True, False]


def test_large_fleets_are_planned_less_often() -> None:
    small, large = (reference_day(1, outlook.DECOMPOSED_FROM - fewer) for fewer in (1, 0))
    assert (outlook.plans_per_day(small), outlook.plans_per_day(large)) == (4, 2)


def test_slots_beyond_what_is_known_are_the_same_hours_of_the_last_known_day() -> None:
    slots = np.arange(8)
    assert outlook._same_hours(slots, 5, 3).tolist() == [0, 1, 2, 3, 4, 2, 3, 4]
    assert outlook._same_hours(slots, 2, 3).tolist() == [0, 1, 0, 1, 0, 1, 0, 1]
    assert outlook._same_hours(np.array([4, 9]), 5, 5).tolist() == [4, 4]
    fleet = replace(reference_day(4, 2), day_slots=2, later_slots=1)
    assert outlook._ahead(fleet, 1).tolist() == [1, 2, 3, 2]
    assert outlook._ahead(replace(fleet, later_slots=9), 3).tolist() == [3, 2, 3]
    assert outlook._ahead(replace(fleet, later_slots=0), 2).tolist() == [2, 3]


def two_stores() -> Fleet:
    """Slots of 10 s; the second node has no battery, the first holds more than it should."""
    return replace(
        reference_day(2, 2),
        slot_s=10.0,
        battery_j=np.array([90.0, 0.0]),
        battery_capacity_j=np.array([80.0, 0.0]),
        charge_efficiency=np.array([0.9, 0.8]),
        discharge_efficiency=np.array([0.7, 0.6]),
        self_discharge_fraction=np.array([0.1, 0.2]),
        charge_limit_w=np.array([3.0, 4.0]),
        discharge_limit_w=np.array([5.0, 6.0]),
        stored_value_g_per_j=np.array([2e-5, 3e-5]),
        static_w=np.array([2.0, 3.0]),
        backlog_batches=np.array([[4], [0]]),
        release_batches=np.array([[0], [6]]),
        joules_per_batch=np.array([[7.0, 5.0], [8.0, 9.0]]),
        harvest_j=np.array([[10.0, 20.0], [30.0, 0.0]]),
    )


def test_stores_and_loads_of_nodes_alone_by_hand() -> None:
    fleet = two_stores()
    store = outlook._store(fleet)
    assert {spec.name: getattr(store, spec.name).tolist() for spec in fields(store)} == {
        "capacity_j": [90.0, 0.0],
        "charge_efficiency": [0.9, 1.0],
        "discharge_efficiency": [0.7, 1.0],
        "keep_fraction": [0.9, 0.8],
        "charge_cap_j": [30.0, 0.0],
        "discharge_cap_j": [50.0, 0.0],
    }
    assert outlook._alone_j(fleet).tolist() == [[48.0, 30.0], [20.0, 84.0]]
    # the model is received where any batch runs
    modelled = replace(
        fleet, release_batches=np.array([[0], [1]]), model_j=np.array([[1.0, 2.0], [3.0, 4.0]])
    )
    assert outlook._alone_j(modelled).tolist() == [[49.0, 30.0], [20.0, 43.0]]
    small = outlook._store(replace(fleet, battery_j=np.zeros(2), battery_capacity_j=np.array([0.8, 0.0])))
    assert (small.capacity_j.tolist(), small.charge_efficiency.tolist()) == ([0.8, 0.0], [0.9, 1.0])


def test_what_is_stored_at_the_end_is_worth_what_the_run_says() -> None:
    fleet = replace(two_stores(), day_slots=2, end_value_g_per_j=np.array([7e-5, 8e-5]))
    worth = {later: outlook._end(replace(fleet, later_slots=later)) for later in (0, 1, 2, 3)}
    for later, grams in ((0, 2e-5), (1, 7e-5), (2, 7e-5), (3, 2e-5)):
        np.testing.assert_allclose(worth[later].of(np.array([50.0, 0.0])), [50.0 * grams, 0.0])
        np.testing.assert_allclose(worth[later].of(np.array([90.0, 0.0])), [90.0 * grams, 0.0])
    nothing = outlook._end(replace(fleet, later_slots=1, end_value_g_per_j=None))
    assert nothing.of(np.array([50.0, 0.0])).tolist() == [0.0, 0.0]


def test_trade_at_hub_prices_by_hand() -> None:
    """Node 1 may not buy, node 2 not sell; in the last slot nobody has harvest to sell, and none can be bought."""
    day = reference_day(1, 3)
    fleet = replace(
        day,
        export_efficiency=np.array([0.9, 0.8, 0.0]),
        import_efficiency=np.array([0.5, 0.0, 0.4]),
        limits=replace(day.limits, transfer_cap_fraction=0.3),
    )
    harvest = np.array([[10.0, 20.0, 30.0], [0.0, 0.0, 40.0], [0.0, 1.0, 0.0]])
    trade = outlook._trade(fleet, np.array([2.0, 4.0, 0.0]), harvest)
    inf = np.inf
    buy, sell, caps = (getattr(trade, spec.name) for spec in fields(trade))
    assert buy.tolist() == [[4.0, inf, 5.0], [inf, inf, inf], [0.0, inf, 0.0]]
    np.testing.assert_allclose(sell, [[1.8, 1.6, 0.0], [3.6, 3.2, 0.0], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(caps, [[3.0, 6.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.3, 0.0]])


@pytest.mark.parametrize("decomposed_from", [3, 2])
def test_a_plan_ahead_by_hand(monkeypatch: pytest.MonkeyPatch, decomposed_from: int) -> None:
    """Two slots. Node 0 emits nothing and may give half of its 200 J in the first; node 1 is at 360 g/kWh, 1e-4 g/J,
    needs more, and 0.8 of what it draws from the hub arrives: a joule there is worth 0.8e-4 g. In the second slot
    nobody may give."""
    monkeypatch.setattr(outlook, "DECOMPOSED_FROM", decomposed_from)
    day = reference_day(2, 2)
    fleet = replace(
        day,
        slot=31,
        intensity_g_per_kwh=np.array([[0.0, 0.0], [360.0, 360.0]]),
        harvest_j=np.array([[200.0, 0.0], [0.0, 0.0]]),
        import_efficiency=np.array([0.9, 0.8]),
        battery_capacity_j=np.zeros(2),
        stored_value_g_per_j=np.zeros(2),
        static_w=np.array([2.0, 3.0]),
        backlog_batches=np.array([[4], [5]]),
        release_batches=np.array([[3], [6]]),
        joules_per_batch=np.array([[7.0, 5.0], [8.0, 9.0]]),
        limits=replace(day.limits, transfer_cap_fraction=0.5),
    )
    made = outlook.plan_ahead(fleet, Restrictions(transfers=True, offloading=False, harvest=True))
    assert (made.slot, made.node_ids) == (31, fleet.node_ids)
    np.testing.assert_allclose(made.load_j, [[148.0, 220.0], [135.0, 234.0]], rtol=1e-6)
    assert made.price_g_per_j.shape == (2,)
    assert made.price_g_per_j[0] == pytest.approx(0.8e-4, rel=1e-2)
    # a cap over the horizon is carried, which the decomposition cannot: half of the 200 J are for either slot
    carried = replace(fleet, limits=replace(fleet.limits, transfer_cap_over="horizon"))
    prices = outlook.plan_ahead(
        carried, Restrictions(transfers=True, offloading=False, harvest=True)
    ).price_g_per_j
    assert prices[0] == pytest.approx(0.8e-4, rel=1e-2)


def test_fleets_of_few_nodes_are_planned_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    def solve(program: Any, gap_fraction: float) -> Any:
        asked.append(gap_fraction)
        return real(program, gap_fraction)

    real = outlook.decomposition.solve
    monkeypatch.setattr(outlook.decomposition, "solve", solve)
    may = Restrictions(transfers=True, offloading=True, harvest=True)
    outlook.plan_ahead(reference_day(1, outlook.DECOMPOSED_FROM - 1), may)
    assert asked == []
    outlook.plan_ahead(reference_day(1, outlook.DECOMPOSED_FROM), may)
    assert asked == [outlook.PLAN_GAP_FRACTION]


class Worths:
    """What ``value_after`` asks of carbon_data.stored_value."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def value(self, days: Any, store: Any, end: Any, trade: Any = None) -> str:
        self.asked.append((days, store, end, trade))
        return f"worth {len(self.asked)}"


@pytest.mark.parametrize("trades", [True, False, None])
@pytest.mark.parametrize("planned", [True, False])
@pytest.mark.parametrize("spread", [0.0, 0.4, 2.0])
def test_the_days_of_a_stored_joule_by_hand(
    spread: float, planned: bool, trades: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four known slots of two a day, one decided, two more beyond: hours 1, 2, 3, and 2, 3 once more."""
    asked = Worths()
    monkeypatch.setattr(outlook, "stored_value", asked.value)
    monkeypatch.setattr(outlook, "expected_value", lambda values: ["mean", *values])
    rng = np.random.default_rng(4)
    fleet = replace(
        reference_day(4, 3),
        slot=20,
        day_slots=2,
        later_slots=5,
        intensity_g_per_kwh=rng.uniform(5, 900, (3, 4)),
        harvest_j=rng.uniform(0, 90, (3, 4)),
        static_w=np.array([1.0, 2.0, 3.0]),
        harvest_spread_fraction=spread,
    )
    ahead = [1, 2, 3, 2, 3]
    made = outlook.Outlook(18, fleet.node_ids, np.arange(1.0, 6.0) * 1e-5, rng.uniform(50, 60, (5, 3)))
    of_plan = [
        3,
        4,
        3,
        4,
        3,
    ]  # two slots later in the plan, which knows five: 3, 4, then the hours of its last day
    more = {} if trades is None else {"trades": trades}
    found = value_after(fleet, 1, made if planned else None, **more)
    mean = not planned and spread > 0
    likely = [1 - spread * 1.5**0.5, 1.0, 1 + spread * 1.5**0.5] if mean else [1.0]
    assert found == (["mean", "worth 1", "worth 2", "worth 3"] if mean else "worth 1")
    assert len(asked.asked) == len(likely)
    loads = made.load_j[of_plan] if planned else outlook._alone_j(fleet)[ahead]
    harvest = fleet.harvest_j.T[ahead]
    for (days, store, end, trade), share in zip(asked.asked, likely, strict=True):
        got = [getattr(days, spec.name) for spec in fields(days)]
        wanted = [loads, harvest * max(share, 0.0), fleet.intensity_g_per_kwh.T[ahead] / 3.6e6]
        for one, other in zip(got, wanted, strict=True):
            np.testing.assert_allclose(one, other)
        for one, other in ((store, outlook._store(fleet)), (end, outlook._end(fleet))):
            for spec in fields(other):
                np.testing.assert_array_equal(getattr(one, spec.name), getattr(other, spec.name))
        if planned and trades is not False:
            known = outlook._trade(fleet, made.price_g_per_j[of_plan], harvest)
            for spec in fields(known):
                np.testing.assert_array_equal(getattr(trade, spec.name), getattr(known, spec.name))
        else:
            assert trade is None


def test_no_plan_is_no_outlook(monkeypatch: pytest.MonkeyPatch) -> None:
    may = Restrictions(transfers=True, offloading=True, harvest=True)
    for values, duals in ((None, None), (np.zeros(9), None), (None, np.zeros(9))):
        said = SimpleNamespace(values=values, row_duals=duals, message="tired")
        monkeypatch.setattr(outlook, "solve_lp", lambda *lp, said=said: said)
        with pytest.raises(ArithmeticError, match="the solver said 'tired'"):
            outlook.plan_ahead(reference_day(2, 2), may)


HOURS = 8


def one_that_sleeps(**changes: Any) -> Fleet:
    """A node with a battery that works in the first four of eight hours, at rising intensity, and may sleep after them
    while the grid is at its dirtiest. 3,600 s each; 10 W static, 1 W asleep, 5 W more for the work."""
    fleet = reference_day(HOURS, 1)
    limits = replace(fleet.limits, offload_cap_fraction=0.0, transfer_cap_fraction=0.0, may_sleep=True)
    work = np.array([[1, 1, 1, 1, 0, 0, 0, 0]])
    made = replace(
        fleet,
        limits=limits,
        slot_s=3600.0,
        intensity_g_per_kwh=np.array([[100.0, 150.0, 200.0, 250.0, 500.0, 600.0, 700.0, 650.0]]),
        harvest_j=np.zeros((1, HOURS)),
        backlog_batches=work[:, :1],
        release_batches=work[:, 1:],
        seconds_per_batch=np.full((1, HOURS), 1800.0),
        joules_per_batch=np.full((1, HOURS), 18_000.0),
        static_w=np.array([10.0]),
        sleep_w=np.array([1.0]),
        wake_j=np.array([500.0]),
        wake_s=np.array([5.0]),
        battery_capacity_j=np.array([150_000.0]),
        charge_limit_w=np.array([50.0]),
        discharge_limit_w=np.array([50.0]),
        stored_value_g_per_j=np.zeros(1),
        day_slots=HOURS,
    )
    return replace(made, **changes)


def exact_g(fleet: Fleet, restrictions: Restrictions) -> float:
    """Least grams over all that is known, whoever sleeps: the mixed-integer program."""
    program = build(fleet, restrictions, whole_batches=True, tie_break=False)
    found = solve(program, SolverOptions(mip_gap_fraction=1e-9))
    assert found.values is not None
    return Plan(program, found.values).objective_g


ALONE = Restrictions(transfers=False, offloading=False, harvest=True)


@pytest.mark.parametrize("wait", [0, 2])
def test_what_a_sleeper_stores_is_worth_what_it_saves_in_the_exact_optimum(wait: int) -> None:
    """(D9) over eight hours against the mixed-integer program with and without the charge."""
    fleet = one_that_sleeps()
    if wait:  # the first hour's work may wait two hours: who is awake is then a choice
        fleet = replace(
            fleet,
            limits=replace(fleet.limits, deadline_slots=wait),
            backlog_batches=np.array([[0, 0, 1]]),
            release_batches=np.array([[0, 1, 1, 0, 0, 0, 0]]),
        )
    made = outlook.plan_ahead(fleet, ALONE)
    assert made.alone
    worth = value_after(fleet, 0, made, trades=False)
    awake = value_after(fleet, 0, None)
    empty_g = exact_g(fleet, ALONE)
    for charge_j in (5_000.0, 40_000.0, 100_000.0, 150_000.0):
        charge = np.array([charge_j])
        saved_g = empty_g - exact_g(replace(fleet, battery_j=charge), ALONE)
        # with work that waits the hours awake depend on the charge, and the plan is one of several good ones
        assert worth.of(charge)[0] == pytest.approx(saved_g, rel=0.05 if wait else 1e-6)
        assert awake.of(charge)[0] > saved_g
        if charge_j > 20_000.0:
            assert awake.of(charge)[0] > 1.05 * saved_g


def rolled_g(fleet: Fleet, policy: Any, horizon: int) -> float:
    return simulate(
        World(fleet), policy, Information(horizon, value_slots=HOURS, day_slots=HOURS)
    ).emissions_g


def test_short_decisions_of_a_sleeper_reach_the_optimum_of_the_whole_run() -> None:
    """The battery is full at first: enough for the work of the clean hours and for the nights' sleep, not for dirty
    hours awake. Valued as if awake, all of it is kept for those, and left over."""
    fleet = one_that_sleeps(battery_j=np.array([150_000.0]))
    least_g = exact_g(fleet, ALONE)
    for horizon in (1, 2, 3):
        assert rolled_g(fleet, LocalLp(horizon=horizon), horizon) == pytest.approx(least_g, rel=1e-6)


def test_a_fleet_that_sleeps_stores_no_more_than_it_needs() -> None:
    """Two nodes share their work; one is enough for it. Decisions of two hours come near the optimum of all eight."""
    one = one_that_sleeps()
    fleet = replace(
        reference_day(HOURS, 2),
        limits=replace(one.limits, offload_cap_fraction=1.0),
        slot_s=3600.0,
        intensity_g_per_kwh=np.repeat(one.intensity_g_per_kwh, 2, axis=0),
        harvest_j=np.array([[120_000.0, *[0.0] * 7], [90_000.0, 60_000.0, *[0.0] * 6]]),
        backlog_batches=np.array([[1], [1]]),
        release_batches=np.ones((2, HOURS - 1), dtype=np.int64),
        seconds_per_batch=np.full((2, HOURS), 1700.0),
        joules_per_batch=np.full((2, HOURS), 9_000.0),
        bytes_per_batch=np.full(HOURS, 1e3),
        static_w=np.array([10.0, 10.0]),
        sleep_w=np.array([1.0, 1.0]),
        storage_bytes=np.full(2, 1e9),
        battery_capacity_j=np.full(2, 150_000.0),
        charge_limit_w=np.full(2, 50.0),
        discharge_limit_w=np.full(2, 50.0),
        stored_value_g_per_j=np.zeros(2),
        day_slots=HOURS,
    )
    least_g = exact_g(fleet, Restrictions(transfers=False, offloading=True, harvest=True))
    found_g = rolled_g(fleet, Dat(horizon=2, mip_gap=1e-6), 2)
    assert least_g - 1e-9 <= found_g <= 1.02 * least_g


def test_a_plan_in_which_no_node_may_sleep_is_searched_for_no_schedule(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outlook, "search_of", None)  # calling it would fail
    fleet = one_that_sleeps(can_sleep=np.array([False]))
    made = outlook.plan_ahead(fleet, ALONE)
    np.testing.assert_allclose(made.load_j[:, 0], outlook._alone_j(fleet)[:, 0], rtol=1e-6)


def test_slots_in_which_a_node_cannot_sleep_are_planned_awake() -> None:
    can = np.ones((1, HOURS), dtype=bool)
    can[0, 5] = False
    fleet = one_that_sleeps(can_sleep=can)
    load = outlook.plan_ahead(fleet, ALONE).load_j[:, 0]
    assert load[5] >= 3600.0 * 10.0
    np.testing.assert_allclose(load[[4, 6, 7]], [3600.0, 3600.0, 3600.0], rtol=1e-6)


def test_a_cap_over_the_horizon_is_planned_with_sleep_too() -> None:
    fleet = one_that_sleeps()
    carried = replace(fleet, limits=replace(fleet.limits, transfer_cap_over="horizon"))
    found = [outlook.plan_ahead(one, ALONE).load_j for one in (fleet, carried)]
    np.testing.assert_allclose(found[1], found[0], rtol=1e-6)


def test_a_large_fleet_that_sleeps_is_planned_by_slope_scaling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight nodes with a batch each an hour, one of which could run them all. The plan without a search has about as
    few joules as the searched one, and a node that cannot sleep draws its static load throughout."""
    one = one_that_sleeps()
    nodes = 8
    fleet = replace(
        reference_day(HOURS, nodes),
        limits=replace(one.limits, offload_cap_fraction=1.0),
        slot_s=3600.0,
        intensity_g_per_kwh=np.repeat(one.intensity_g_per_kwh, nodes, axis=0)
        * np.linspace(1.0, 1.4, nodes)[:, None],
        harvest_j=np.zeros((nodes, HOURS)),
        backlog_batches=np.ones((nodes, 1), dtype=np.int64),
        release_batches=np.ones((nodes, HOURS - 1), dtype=np.int64),
        seconds_per_batch=np.full((nodes, HOURS), 400.0),
        joules_per_batch=np.full((nodes, HOURS), 500.0),
        bytes_per_batch=np.full(HOURS, 1e3),
        static_w=np.full(nodes, 10.0),
        sleep_w=np.full(nodes, 1.0),
        storage_bytes=np.full(nodes, 1e9),
        battery_capacity_j=np.full(nodes, 1_000.0),
        stored_value_g_per_j=np.zeros(nodes),
        day_slots=HOURS,
        can_sleep=np.arange(nodes) != nodes - 1,
    )
    may = Restrictions(transfers=False, offloading=True, harvest=True)
    searched = outlook.plan_ahead(fleet, may)
    monkeypatch.setattr(outlook, "DECOMPOSED_FROM", nodes)
    monkeypatch.setattr(outlook, "search_of", None)  # calling it would fail
    scaled = outlook.plan_ahead(fleet, may)
    assert (scaled.slot, scaled.node_ids, scaled.alone) == (searched.slot, searched.node_ids, searched.alone)
    assert (scaled.load_j[:, -1] >= 36_000.0 - 1e-6).all()
    awake_j = 36_000.0 * HOURS * nodes
    assert scaled.load_j.sum() < 0.5 * awake_j
    assert scaled.load_j.sum() == pytest.approx(searched.load_j.sum(), rel=0.1)
