"""Joules beside grams in the one model: the energy that TREE divides by, as a price or as a limit."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.market import joules as module
from coordinator.market.fleet import Fleet
from coordinator.market.instances import random_fleet, reference_day
from coordinator.market.joules import price_for, priced, used_j
from coordinator.market.layout import Restrictions
from coordinator.market.plan import Plan
from coordinator.market.program import build
from coordinator.market.solve import SolverOptions, solve, unserved
from tests.coordinator.market.plans import two_nodes

ALL = Restrictions(transfers=True, offloading=True, harvest=True)
seeds = st.integers(0, 2**32 - 1)


def plan_at(fleet: Fleet, price: float) -> tuple[float, float, float]:
    """(grams net of what is stored, joules, unserved batches) of the plan at a price."""
    program = priced(build(fleet, ALL, tie_break=False), price)
    values = solve(program).values
    assert values is not None
    return Plan(program, values).objective_g, used_j(program, values), unserved(program, values)


@settings(max_examples=25, deadline=None)
@given(seeds, st.lists(st.floats(0, 1e5), min_size=2, max_size=4))
def test_a_higher_price_of_joules_means_fewer_joules_and_more_grams(seed: int, prices: list[float]) -> None:
    """Any two points of a Pareto curve are ordered, and all work is done at every price."""
    found = [plan_at(random_fleet(seed), price) for price in sorted(prices)]
    scale_g = max(abs(grams) for grams, _, _ in found) + 1e-9
    for (grams, joules, late), (next_grams, next_joules, next_late) in pairwise(found):
        assert next_joules <= joules * (1 + 1e-6) + 1e-6
        assert next_grams >= grams - 1e-5 * scale_g
        assert next_late == pytest.approx(late, abs=1e-5)


def test_joules_of_a_plan_are_those_of_its_energy_balance() -> None:
    fleet = reference_day(4, nodes=4)
    program = build(fleet, ALL)
    values = solve(program).values
    assert values is not None
    plan = Plan(program, values)
    network_j = plan.given_batches * fleet.bytes_per_batch * fleet.limits.net_j_per_byte
    total_j = float((plan.grid_j + plan.green_j).sum() + network_j.sum())
    assert used_j(program, values) == pytest.approx(total_j)


@settings(max_examples=10, deadline=None)
@given(seeds, st.sampled_from([0.9, 0.99, 1.0]))
def test_a_floor_on_tree_is_kept_at_the_lowest_price(seed: int, floor: float) -> None:
    fleet = random_fleet(seed)
    program = build(fleet, ALL)
    price = price_for(program, floor)
    least = plan_at(fleet, 1e7)[1]
    values = solve(priced(program, price)).values
    assert values is not None
    assert used_j(program, values) <= least / floor * (1 + 1e-6) + 1e-6


def uneven(*, may_sleep: bool = False, deadline_slots: int = 1, model: bool = False) -> Fleet:
    """Every figure that the price of a joule may touch is another one at each node and in each slot."""
    day = reference_day(3, nodes=2)
    return replace(
        day,
        limits=replace(day.limits, net_j_per_byte=7e-7, may_sleep=may_sleep, deadline_slots=deadline_slots),
        backlog_batches=np.full((2, deadline_slots + 1), 3),
        joules_per_batch=np.array([[2.0, 3.0, 5.0], [4.0, 1.0, 2.5]]),
        bytes_per_batch=np.array([1e6, 3e6, 2e6]),
        tx_j_per_byte=np.array([3e-7, 1e-7]),
        rx_j_per_byte=np.array([2e-7, 4e-7]),
        static_w=np.array([2.0, 3.0]),
        wake_j=np.array([11.0, 6.0]),
        model_j=np.array([[0.5, 0.25, 0.75], [0.5, 1.5, 0.25]]) if model else None,
    )


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("deadline_slots", [0, 1])
@pytest.mark.parametrize("model", [False, True])
@pytest.mark.parametrize("may_sleep", [False, True])
def test_the_price_is_on_every_joule_and_an_undone_batch_is_dearer_than_any(
    scaled: bool, deadline_slots: int, model: bool, may_sleep: bool
) -> None:
    """5 J of a batch, 3 MB of it at 0.3 + 0.4 + 0.7 uJ a byte, the model's 1.5 J, a slot awake and waking up."""
    fleet = uneven(may_sleep=may_sleep, deadline_slots=deadline_slots, model=model)
    program = build(fleet, ALL, scaled=scaled)
    price = 36.0
    more = (priced(program, price).cost - program.cost) * program.grams_per_unit
    g_per_j = price / 3.6e6
    dearest_j = 5.0 + 3.0 * 1.4 + 1.5 * model + (60.0 * 3.0 + 11.0) * may_sleep
    expected = {
        "g": g_per_j * program.joules_per_unit,
        "u": g_per_j * program.joules_per_unit,
        "w": g_per_j * np.array([0.7, 2.1, 1.4]) * np.ones((2, 1)),
        "unserved": 100.0 * g_per_j * dearest_j,
        "left": 100.0 * g_per_j * dearest_j / 3.0,
    }
    for name, columns in program.layout.columns.items():
        np.testing.assert_allclose(
            more[columns], expected.get(name, 0.0), rtol=1e-9, atol=1e-12, err_msg=name
        )


def test_a_batch_that_costs_no_joule_counts_as_one_of_a_millijoule() -> None:
    free = replace(uneven(), joules_per_batch=np.zeros((2, 3)), bytes_per_batch=np.zeros(3))
    program = build(free, ALL, scaled=False)
    more = priced(program, 3.6e6).cost - program.cost
    np.testing.assert_allclose(more[program.layout.columns["unserved"]], 0.1)


@pytest.mark.parametrize("price", [-1e-9, float("nan")])
def test_a_price_below_nothing_is_refused(price: float) -> None:
    with pytest.raises(ValueError, match=rf"price is {price} g/kWh; allowed is >= 0"):
        priced(build(uneven(), ALL), price)


@pytest.mark.parametrize("restrictions", [ALL, Restrictions(transfers=True, offloading=False, harvest=True)])
def test_joules_used_by_hand(restrictions: Restrictions) -> None:
    """Grid and green energy of the nodes and the network's share of what moves; nothing else."""
    program = build(uneven(), restrictions)
    columns = program.layout.columns
    values = np.random.default_rng(2).uniform(1.0, 2.0, program.layout.num_columns)
    joules = (values[columns["g"]].sum() + values[columns["u"]].sum()) * program.joules_per_unit
    if restrictions.offloading:
        joules += (values[columns["w"]] @ np.array([0.7, 2.1, 1.4])).sum()
    assert used_j(program, values) == pytest.approx(joules, rel=1e-12)


def test_the_price_of_a_floor_by_hand() -> None:
    """A batch at home takes 36 J at 720 g/kWh. Elsewhere it takes 40 J: 1 at 720, 38 at 36 and 1 at 378 g/kWh. Half of
    ten may leave, so that 380 J are used where joules are free, and 360 J at least. They are worth moving up to
    (36 * 720 - 720 - 38 * 36 - 378) / 4 g/kWh."""
    program = build(two_nodes(), ALL, tie_break=False)
    turn = (36 * 720 - 720 - 38 * 36 - 378) / 4
    assert price_for(program, 0.94) == 0.0
    assert price_for(program, 0.95) == pytest.approx(turn, rel=1e-5)
    assert price_for(program, 1.0) == pytest.approx(turn, rel=1e-5)
    assert used_j(program, solve(priced(program, turn * 0.999)).values) == pytest.approx(380.0)  # type: ignore[arg-type]
    assert used_j(program, solve(priced(program, turn * 1.001)).values) == pytest.approx(360.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("floor", [0.0, -0.1, 1.0001, float("nan")])
def test_a_floor_outside_its_range_is_refused(floor: float) -> None:
    with pytest.raises(ValueError, match=rf"floor_fraction is {floor}; allowed is above 0, up to 1"):
        price_for(build(two_nodes(), ALL), floor)


@pytest.mark.parametrize("turn", [0.0003, 0.03, 0.11, 0.15, 0.21, 5.0, 4e4])
def test_the_price_is_found_over_many_orders(turn: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan that takes 100 J below a price and 60 J from it on; a floor of three quarters allows 80 J."""
    asked: list[tuple[float, object]] = []

    def solved(price: float, options: object) -> SimpleNamespace:
        asked.append((price, options))
        return SimpleNamespace(values=price)

    monkeypatch.setattr(module, "priced", lambda program, price: price)
    monkeypatch.setattr(module, "solve", solved)
    monkeypatch.setattr(module, "used_j", lambda program, price: 60.0 if price >= turn else 100.0)
    program, options = build(two_nodes(), ALL), SolverOptions(0.1)
    found = price_for(program, 0.75, options)
    assert turn <= found <= turn * 1.01 + 1e-6
    assert price_for(program, 0.75) == found
    top = module.DEAR * 720.0
    assert [price for price, _ in asked[:2]] == [top, 0.0]
    assert asked[2][0] == pytest.approx((0.1 * top) ** 0.5)
    assert len(asked) == 2 * (module.STEPS + 2)
    assert [one for _, one in asked] == [options] * (module.STEPS + 2) + [None] * (module.STEPS + 2)
    # where joules are free 100 J are used: allowed just at a floor of three fifths
    assert price_for(program, 0.6) == 0.0
    monkeypatch.setattr(module, "used_j", lambda program, price: 60.0 if price else 60.0 / 0.6 * (1 + 1e-9))
    assert price_for(program, 0.6) == 0.0, "just at the limit"


def test_without_a_plan_there_is_no_price(monkeypatch: pytest.MonkeyPatch) -> None:
    program = build(two_nodes(), ALL)
    monkeypatch.setattr(module, "priced", lambda program, price: price)
    monkeypatch.setattr(module, "used_j", lambda program, price: 60.0 if price else 100.0)
    for missing in (lambda price: True, lambda price: price == 0.0, lambda price: price > 1e3):
        monkeypatch.setattr(
            module,
            "solve",
            lambda price, _, missing=missing: SimpleNamespace(values=None if missing(price) else price),
        )
        assert price_for(program, 0.75) == 0.0
    # none at some price between: it is too low
    monkeypatch.setattr(module, "used_j", lambda program, price: 100.0 if price == 0.0 else 60.0)
    monkeypatch.setattr(
        module, "solve", lambda price, _: SimpleNamespace(values=None if 0 < price < 7.0 else price)
    )
    assert price_for(program, 0.75) == pytest.approx(7.0, rel=1e-2)
