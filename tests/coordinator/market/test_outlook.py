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
