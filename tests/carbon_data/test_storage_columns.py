"""The battery and bus rule on columns against the rule for one node."""

from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_data.storage import NO_BATTERY, TERMS, Balance, Battery, EnergyError, balance
from carbon_data.storage_columns import BatteryColumns, balance_columns

UJ = st.one_of(st.integers(0, 40), st.integers(0, 4_000_000_000), st.integers(0, 2**45))
SHARE = st.one_of(st.sampled_from([1.0, 0.95, 0.5, 0.123]), st.floats(0.05, 1.0))


@st.composite
def node(draw: st.DrawFn) -> tuple[Battery, int, dict[str, int]]:
    if draw(st.booleans()):
        battery, before = NO_BATTERY, 0
    else:
        capacity = draw(UJ)
        battery = Battery(
            capacity_uj=capacity,
            charge_efficiency=Fraction(draw(SHARE)),
            discharge_efficiency=Fraction(draw(SHARE)),
            self_discharge=Fraction(draw(st.one_of(st.just(0.0), st.floats(1e-9, 1.0)))),
            charge_limit_uj=draw(UJ),
            discharge_limit_uj=draw(UJ),
        )
        before = draw(st.integers(0, capacity))
    amounts = {
        name: draw(UJ) for name in ("demand_uj", "harvest_uj", "import_uj", "charge_uj", "discharge_uj")
    }
    export = draw(st.one_of(st.just(0), st.integers(0, amounts["harvest_uj"] + amounts["import_uj"])))
    return battery, before, {**amounts, "export_uj": export}


def columns(rows: list[dict[str, int]]) -> dict[str, np.ndarray]:
    return {name: np.array([row[name] for row in rows], dtype=np.int64) for name in rows[0]}


@given(st.lists(node(), min_size=1, max_size=15))
def test_every_row_is_the_balance_of_its_node(nodes: list[tuple[Battery, int, dict[str, int]]]) -> None:
    found = balance_columns(
        BatteryColumns.of([battery for battery, _, _ in nodes]),
        np.array([before for _, before, _ in nodes], dtype=np.int64),
        **columns([amounts for _, _, amounts in nodes]),
    )
    for row, (battery, before, amounts) in enumerate(nodes):
        assert Balance(**{name: int(found[name][row]) for name in TERMS}) == balance(
            battery, before, **amounts
        )


def test_an_export_that_the_bus_cannot_give_names_its_row() -> None:
    rows = [
        {"demand_uj": 0, "harvest_uj": 5, "import_uj": 0, "charge_uj": 0, "discharge_uj": 0, "export_uj": 6}
    ]
    with pytest.raises(EnergyError, match="row 0: export of 6 uJ; at most 5 uJ"):
        balance_columns(BatteryColumns.of([NO_BATTERY]), np.zeros(1, dtype=np.int64), **columns(rows))


@pytest.mark.parametrize(
    "wrong", ["demand_uj", "harvest_uj", "import_uj", "export_uj", "charge_uj", "discharge_uj"]
)
def test_negative_energies_are_refused_with_their_row(wrong: str) -> None:
    names = ("demand_uj", "harvest_uj", "import_uj", "export_uj", "charge_uj", "discharge_uj")
    rows = [dict.fromkeys(names, 0), dict.fromkeys(names, 0) | {wrong: -7}]
    with pytest.raises(EnergyError, match=f"row 1: {wrong} is -7; allowed is 0 or more"):
        balance_columns(BatteryColumns.of([NO_BATTERY] * 2), np.zeros(2, dtype=np.int64), **columns(rows))


@pytest.mark.parametrize(("before", "said"), [(-5, "battery_before_uj is -5"), (11, "battery holds 11 uJ")])
def test_what_no_battery_can_hold_is_refused_with_its_row(before: int, said: str) -> None:
    ten = Battery(10, Fraction(1), Fraction(1), Fraction(0), 10, 10)
    nothing = dict.fromkeys(
        ("demand_uj", "harvest_uj", "import_uj", "export_uj", "charge_uj", "discharge_uj"), 0
    )
    with pytest.raises(EnergyError, match=f"row 1: {said}"):
        balance_columns(
            BatteryColumns.of([ten, ten]), np.array([10, before], dtype=np.int64), **columns([nothing] * 2)
        )


@pytest.mark.parametrize("seed", range(4))
def test_four_hundred_nodes_at_once_are_each_as_alone(seed: int) -> None:
    """Batteries of every kind, small and large amounts; what a bus cannot give is not asked for."""
    rng = random.Random(seed)

    def amount() -> int:
        return rng.choice((0, rng.randint(0, 40), rng.randint(0, 4_000_000_000)))

    def part() -> Fraction:
        return Fraction(rng.choice((1.0, 0.95, 0.5, rng.uniform(0.05, 1.0))))

    batteries, before, rows, wanted = [], [], [], []
    while len(rows) < 400:
        battery = Battery(
            amount(), part(), part(), Fraction(rng.choice((0.0, 0.01, rng.random()))), amount(), amount()
        )
        held = rng.randint(0, battery.capacity_uj)
        names = ("demand_uj", "harvest_uj", "import_uj", "charge_uj", "discharge_uj")
        row = {name: amount() for name in names} | {"export_uj": rng.choice((0, amount()))}
        try:
            wanted.append(balance(battery, held, **row))
        except EnergyError:
            continue
        batteries.append(battery)
        before.append(held)
        rows.append(row)
    found = balance_columns(BatteryColumns.of(batteries), np.array(before, dtype=np.int64), **columns(rows))
    for name in TERMS:
        assert found[name].tolist() == [getattr(each, name) for each in wanted], name
