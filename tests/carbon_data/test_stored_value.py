"""(D9): concave in the charge, zero where the battery fills anyway, and equal to a linear program."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import linprog

from carbon_data.stored_value import Days, Store, StoredValue, Trade, expected_value, linear, stored_value

Floats = NDArray[np.float64]
seeds = st.integers(0, 2**32 - 1)


class Case:
    """A node of random size over a few slots, with or without a hub to trade with."""

    def __init__(self, seed: int, trades: bool) -> None:
        rng = np.random.default_rng(seed)
        self.slots = int(rng.integers(1, 9))
        self.load = rng.uniform(0, 3, self.slots)
        self.harvest = rng.uniform(0, 4, self.slots) * (rng.random(self.slots) < 0.6)
        self.grams = rng.uniform(0, 5, self.slots)
        self.capacity = float(rng.uniform(0.2, 6))
        self.gain, self.cost = rng.uniform(0.7, 1, 2)
        self.keep = float(rng.choice([1.0, 0.98, 0.9]))
        self.charge, self.discharge = rng.uniform(0.2, 4, 2)
        self.end = float(rng.choice([0.0, rng.uniform(0, 4)]))
        self.trades = trades
        self.buy = rng.uniform(0, 5, self.slots)
        self.sell = self.buy * rng.uniform(0.5, 0.95)
        self.cap = 0.5 * self.harvest

    def value(self) -> StoredValue:
        def one(value: float) -> Floats:
            return np.array([value])

        sizes = self.capacity, self.gain, self.cost, self.keep, self.charge, self.discharge
        trade = Trade(self.buy[:, None], self.sell[:, None], self.cap[:, None]) if self.trades else None
        days = Days(self.load[:, None], self.harvest[:, None], self.grams[:, None])
        return stored_value(days, Store(*map(one, sizes)), linear(one(self.capacity), one(self.end)), trade)

    def least_g(self, stored: float) -> float:
        """The node's emissions minus the value of the energy stored at the end, by a linear program."""
        t = self.slots
        names = ("grid", "green", "curtailed", "charge", "discharge", "sold", "bought", "stored")
        at = {name: np.arange(t) + k * t for k, name in enumerate(names)}
        cost, upper = np.zeros(8 * t), np.full(8 * t, np.inf)
        cost[at["grid"]], cost[at["stored"][-1]] = self.grams, -self.end
        cost[at["sold"]], cost[at["bought"]] = -self.sell, self.buy
        upper[at["charge"]], upper[at["discharge"]], upper[at["stored"]] = (
            self.charge,
            self.discharge,
            self.capacity,
        )
        upper[at["sold"]] = self.cap if self.trades else 0.0
        if not self.trades:
            upper[at["bought"]] = 0.0
        rows, right = np.zeros((3 * t, 8 * t)), np.zeros(3 * t)
        for k in range(t):
            rows[k, [at["grid"][k], at["green"][k]]] = 1.0
            right[k] = self.load[k]
            for name in ("green", "curtailed", "charge", "sold"):
                rows[t + k, at[name][k]] = -1.0
            rows[t + k, [at["discharge"][k], at["bought"][k]]] = 1.0
            right[t + k] = -self.harvest[k]
            rows[2 * t + k, at["stored"][k]] = 1.0
            rows[2 * t + k, at["charge"][k]] = -self.gain
            rows[2 * t + k, at["discharge"][k]] = 1.0 / self.cost
            if k:
                rows[2 * t + k, at["stored"][k - 1]] = -self.keep
            else:
                right[2 * t] = self.keep * stored
        bounds = list(zip(np.zeros(8 * t), upper, strict=True))
        return float(linprog(cost, A_eq=rows, b_eq=right, bounds=bounds, method="highs").fun)


@settings(max_examples=80, deadline=None)
@given(seeds, st.booleans())
def test_it_is_what_a_linear_program_says(seed: int, trades: bool) -> None:
    case = Case(seed, trades)
    value, empty = case.value(), case.least_g(0.0)
    for stored in np.linspace(0.0, case.capacity, 5):
        expected = empty - case.least_g(float(stored))
        assert value.of(np.array([stored]))[0] == pytest.approx(expected, abs=1e-7)


@settings(max_examples=80, deadline=None)
@given(seeds, st.booleans(), st.integers(1, 30))
def test_it_is_concave_and_covers_the_battery(seed: int, trades: bool, steps: int) -> None:
    case = Case(seed, trades)
    value = case.value()
    assert value.widths_j.sum() == pytest.approx(case.capacity)
    assert (value.grams_per_j >= 0).all()
    real = value.grams_per_j[0][value.widths_j[0] > 1e-12]
    assert (np.diff(real) <= 1e-12).all()
    coarse = value.in_steps(steps)
    assert (np.diff(coarse.grams_per_j[0]) <= 0).all()
    charge = np.linspace(0, case.capacity, 7)[1:-1]
    for stored in charge:
        assert coarse.of(np.array([stored]))[0] <= value.of(np.array([stored]))[0] + 1e-9
    full = np.array([case.capacity])
    assert coarse.of(full)[0] == pytest.approx(value.of(full)[0], abs=1e-9)


def two_hours(harvest: float, end: float = 0.0) -> StoredValue:
    """10 J of load in each of two slots, 100 g/J then 300 g/J; a lossless battery of 20 J."""
    days = Days(np.full((2, 1), 10.0), np.array([[harvest], [0.0]]), np.array([[100.0], [300.0]]))
    one = np.ones(1)
    store = Store(20.0 * one, one, one, one, 50.0 * one, 50.0 * one)
    return stored_value(days, store, linear(20.0 * one, end * one))


def test_by_hand() -> None:
    night = two_hours(0.0)
    # the hour of high intensity first, then the other
    assert night.grams_per_j[0].tolist()[:2] == [300.0, 100.0]
    assert night.widths_j[0].tolist()[:2] == [10.0, 10.0]
    assert night.slope_at(np.array([5.0]))[0] == 300.0
    assert night.slope_at(np.array([20.0]))[0] == 0.0
    # 35 J of sun serve 10 J of load and fill the battery: stored energy has no value
    assert two_hours(35.0).of(np.array([20.0]))[0] == 0.0
    # of 15 J of sun 10 are kept for the hour of high intensity and 5 serve the load: 5 stored joules serve it too, more
    # have no use
    some = two_hours(15.0)
    assert some.of(np.array([5.0]))[0] == pytest.approx(500.0)
    assert some.of(np.array([20.0]))[0] == pytest.approx(500.0)


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_a_battery_that_the_sun_fills_anyway_is_worth_nothing(seed: int) -> None:
    """For any load in the evening: the sun of the first slot alone fills the battery."""
    case = Case(seed, trades=False)
    case.harvest[0] = case.load[0] + case.capacity / case.gain + 1.0
    case.charge = case.capacity / case.gain + 1.0
    assert case.value().of(np.array([case.capacity]))[0] == pytest.approx(0.0, abs=1e-9)


@given(seeds, st.integers(1, 4))
def test_expected_value_is_the_mean_at_every_charge(seed: int, count: int) -> None:
    case = Case(seed, trades=False)
    values = []
    for factor in np.linspace(0.4, 1.6, count):
        case.harvest = case.harvest * factor
        values.append(case.value())
    mean = expected_value(values)
    assert mean.widths_j.sum() == pytest.approx(case.capacity)
    assert (np.diff(mean.grams_per_j) <= 1e-12).all(), "concave"
    for charge in np.append(np.linspace(0.0, case.capacity, 9), np.cumsum(values[0].widths_j)):
        at = np.array([charge])
        assert mean.of(at) == pytest.approx(np.mean([value.of(at) for value in values]), abs=1e-9)


def test_steps_between_two_charges_by_hand() -> None:
    value = StoredValue(np.array([[5.0, 3.0, 1.0, 0.0], [9.0, 9.0, 9.0, 9.0]]), np.full((2, 4), 10.0))
    assert value.between(0.0, 40.0) == [(5.0, 10.0), (3.0, 10.0), (1.0, 10.0), (0.0, 10.0)]
    assert value.between(4.0, 23.0) == [(5.0, 6.0), (3.0, 10.0), (1.0, 3.0)]
    assert value.between(10.0, 20.0) == [(3.0, 10.0)]
    assert value.between(7.0, 7.0) == []
    assert value.of(np.array([23.0, 23.0])).tolist() == [83.0, 207.0]
    assert value.slope_at(np.array([10.0, 40.0])).tolist() == [3.0, 0.0]
    assert value.slope_at(np.array([9.9, 0.0])).tolist() == [5.0, 9.0]


@pytest.mark.parametrize("trades", [False, True])
def test_nodes_are_valued_each_for_itself(trades: bool) -> None:
    """Twelve nodes over the same slots at once, one of them without a battery, one that cannot buy."""
    cases = []
    for seed in range(60):
        case = Case(seed, trades)
        if case.slots >= 4:
            cases.append(case)
    cases = cases[:12]
    cases[3].capacity = 0.0
    cases[5].buy = np.full(cases[5].slots, np.inf)
    cases[5].cap = np.zeros(cases[5].slots)
    for case in cases:
        for name in ("load", "harvest", "grams", "buy", "sell", "cap"):
            setattr(case, name, getattr(case, name)[:4])
        case.slots = 4

    def table(name: str) -> Floats:
        return np.column_stack([getattr(case, name) for case in cases])

    def column(name: str) -> Floats:
        return np.array([getattr(case, name) for case in cases])

    store = Store(*(column(name) for name in ("capacity", "gain", "cost", "keep", "charge", "discharge")))
    sell = np.where(np.isfinite(table("sell")), table("sell"), 0.0)
    trade = Trade(table("buy"), sell, table("cap")) if trades else None
    days = Days(table("load"), table("harvest"), table("grams"))
    together = stored_value(days, store, linear(store.capacity_j, column("end")), trade)
    assert together.widths_j.sum(axis=1) == pytest.approx(store.capacity_j)
    for part in (0.0, 0.2, 0.5, 0.77, 1.0):
        found = together.of(part * store.capacity_j)
        for row, case in enumerate(cases):
            case.sell = np.where(np.isfinite(case.sell), case.sell, 0.0)
            alone = case.value().of(np.array([part * case.capacity]))
            assert found[row] == pytest.approx(alone[0], abs=1e-9)


def test_many_steps_are_read_at_equal_charges() -> None:
    rng = np.random.default_rng(5)
    slots = 400
    days = Days(rng.uniform(0, 1, (slots, 2)), np.zeros((slots, 2)), rng.uniform(1, 5, (slots, 2)))
    one = np.ones(2)
    store = Store(np.array([300.0, 150.0]), 0.9 * one, 0.95 * one, one, 9.0 * one, 9.0 * one)
    value = stored_value(days, store, linear(store.capacity_j, np.zeros(2)))
    assert 128 <= value.widths_j.shape[1] <= 131
    assert value.widths_j.sum(axis=1) == pytest.approx(store.capacity_j)
    # without harvest the best slots of all are served first: what is lost by reading at levels is little
    for node, capacity in enumerate(store.capacity_j):
        best = sorted(zip(days.grams_per_j[:, node], days.load_j[:, node], strict=True), reverse=True)
        left, wanted = 0.95 * float(capacity), 0.0
        for grams, load in best:
            used = min(left, float(load))
            wanted, left = wanted + used * float(grams), left - used
        full = np.where(np.arange(2) == node, store.capacity_j, 0.0)
        assert value.of(full)[node] == pytest.approx(wanted, rel=0.02)
        assert value.of(full)[node] <= wanted + 1e-9


def test_a_battery_that_loses_all_or_holds_nothing_is_worth_nothing() -> None:
    """Of three nodes one keeps nothing over a slot, one has no battery; the third alone has a value."""
    days = Days(np.full((2, 3), 10.0), np.zeros((2, 3)), np.full((2, 3), 100.0))
    one = np.ones(3)
    store = Store(np.array([20.0, 0.0, 20.0]), one, one, np.array([0.0, 1.0, 1.0]), 50.0 * one, 50.0 * one)
    value = stored_value(days, store, linear(store.capacity_j, np.zeros(3)))
    assert np.isfinite(value.grams_per_j).all()
    assert value.of(store.capacity_j).tolist() == [0.0, 0.0, 2000.0]
    assert value.widths_j.sum(axis=1).tolist() == [20.0, 0.0, 20.0]
    coarse = value.in_steps(4)
    assert coarse.grams_per_j.tolist() == [[0.0] * 4, [0.0] * 4, [100.0] * 4]
    assert coarse.widths_j.tolist() == [[5.0] * 4, [0.0] * 4, [5.0] * 4]
