"""(D1)-(D3) hold exactly for every battery and every decision; grid energy never reaches the green bus."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_data.storage import NO_BATTERY, Balance, Battery, EnergyError, balance

JOULE = 1_000_000
ENERGY = st.integers(0, 10**13)
EFFICIENCY = st.floats(0.01, 1.0).map(Fraction)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Battery, dict[str, int]]:
    battery = Battery(
        capacity_uj=draw(st.just(0) | ENERGY),
        charge_efficiency=draw(EFFICIENCY),
        discharge_efficiency=draw(EFFICIENCY),
        self_discharge=draw(st.floats(0.0, 1.0).map(Fraction)),
        charge_limit_uj=draw(st.just(0) | ENERGY),
        discharge_limit_uj=draw(st.just(0) | ENERGY),
    )
    harvest, imported = draw(ENERGY), draw(ENERGY)
    given_values = {
        "battery_before_uj": draw(st.integers(0, battery.capacity_uj)),
        "demand_uj": draw(ENERGY),
        "harvest_uj": harvest,
        "import_uj": imported,
        "export_uj": draw(st.integers(0, harvest + imported)),
        "charge_uj": draw(ENERGY),
        "discharge_uj": draw(ENERGY),
    }
    return battery, given_values


def run(battery: Battery, values: dict[str, int]) -> Balance:
    values = dict(values)
    return balance(battery, values.pop("battery_before_uj"), **values)


@given(cases())
def test_every_microjoule_is_accounted_for(case: tuple[Battery, dict[str, int]]) -> None:
    battery, values = case
    b = run(battery, values)
    assert b.demand_uj == b.grid_uj + b.green_uj
    incoming = b.harvest_uj + b.discharge_uj + b.import_uj
    assert incoming == b.green_uj + b.charge_uj + b.export_uj + b.curtailed_uj
    assert b.battery_after_uj == (
        b.battery_before_uj
        - b.self_discharge_uj
        + b.charge_uj
        - b.charge_loss_uj
        - b.discharge_uj
        - b.discharge_loss_uj
    )
    assert 0 <= b.battery_after_uj <= battery.capacity_uj
    assert all(getattr(b, name) >= 0 for name in Balance.__slots__)


@given(cases())
def test_limits_and_losses_are_the_profiles(case: tuple[Battery, dict[str, int]]) -> None:
    battery, values = case
    b = run(battery, values)
    assert b.charge_uj <= battery.charge_limit_uj
    assert b.discharge_uj <= min(battery.discharge_limit_uj, values["discharge_uj"])
    assert abs(b.charge_loss_uj - (1 - battery.charge_efficiency) * b.charge_uj) <= 2
    assert abs(b.discharge_loss_uj - (1 / battery.discharge_efficiency - 1) * b.discharge_uj) <= 2
    assert b.export_uj == values["export_uj"]
    assert b.import_uj == values["import_uj"]


@given(cases())
def test_nothing_is_curtailed_or_bought_needlessly(case: tuple[Battery, dict[str, int]]) -> None:
    battery, values = case
    b = run(battery, values)
    if b.curtailed_uj:  # only when load is met and the battery takes no more
        assert b.grid_uj == 0
        full = b.battery_after_uj == battery.capacity_uj
        assert full or b.charge_uj == battery.charge_limit_uj
    if b.discharge_uj and values["charge_uj"] == 0:
        assert b.charge_uj == 0  # no energy is charged and discharged in the same slot


def test_the_order_of_the_rule() -> None:
    battery = Battery(100 * JOULE, Fraction(1), Fraction(1), Fraction(0), 1000 * JOULE, 1000 * JOULE)
    b = balance(
        battery,
        50 * JOULE,
        demand_uj=30 * JOULE,
        harvest_uj=40 * JOULE,
        export_uj=10 * JOULE,
        charge_uj=25 * JOULE,
        discharge_uj=20 * JOULE,
    )
    # 40 harvested: 10 leave, 25 are stored, 5 remain for a load of 30; 20 are drawn, the grid gives 5.
    assert (b.green_uj, b.grid_uj, b.charge_uj, b.discharge_uj) == (
        25 * JOULE,
        5 * JOULE,
        25 * JOULE,
        20 * JOULE,
    )
    assert b.battery_after_uj == 55 * JOULE


def test_an_export_may_come_from_the_battery_up_to_its_content() -> None:
    battery = Battery(100 * JOULE, Fraction(1), Fraction(9, 10), Fraction(0), 1000 * JOULE, 1000 * JOULE)
    b = balance(
        battery, 50 * JOULE, demand_uj=JOULE, harvest_uj=0, export_uj=45 * JOULE, discharge_uj=100 * JOULE
    )
    assert (b.export_uj, b.grid_uj, b.battery_after_uj) == (45 * JOULE, JOULE, 0)
    with pytest.raises(EnergyError, match="can leave this bus"):
        balance(
            battery, 50 * JOULE, demand_uj=0, harvest_uj=0, export_uj=46 * JOULE, discharge_uj=100 * JOULE
        )
    with pytest.raises(EnergyError, match="can leave this bus"):
        balance(battery, 50 * JOULE, demand_uj=0, harvest_uj=0, export_uj=2, discharge_uj=1)


def test_without_a_battery_surplus_is_curtailed() -> None:
    b = balance(NO_BATTERY, 0, demand_uj=3, harvest_uj=10, charge_uj=5, discharge_uj=10**9)
    assert (b.green_uj, b.charge_uj, b.curtailed_uj, b.grid_uj) == (3, 0, 7, 0)


@pytest.mark.parametrize(
    "name", ["demand_uj", "harvest_uj", "import_uj", "export_uj", "charge_uj", "discharge_uj"]
)
def test_negative_quantities_are_refused(name: str) -> None:
    values = {"demand_uj": 0, "harvest_uj": 0, name: -1}
    with pytest.raises(EnergyError, match=name):
        balance(NO_BATTERY, 0, **values)


def test_impossible_batteries_are_refused() -> None:
    with pytest.raises(EnergyError, match="capacity"):
        balance(NO_BATTERY, 1, demand_uj=0, harvest_uj=0)
    with pytest.raises(EnergyError, match="efficiencies"):
        Battery(1, Fraction(0), Fraction(1), Fraction(0), 1, 1)


@pytest.mark.parametrize(
    ("place", "good", "bad", "said"),
    [
        (0, (0,), (-1,), "capacity, limits and self-discharge must be 0 or more"),
        (
            1,
            (Fraction(1),),
            (Fraction(0), Fraction(101, 100), Fraction(-1)),
            "efficiencies must lie above 0 and not",
        ),
        (
            2,
            (Fraction(1),),
            (Fraction(0), Fraction(101, 100), Fraction(-1)),
            "efficiencies must lie above 0 and not",
        ),
        (3, (Fraction(0),), (Fraction(-1, 100),), "capacity, limits and self-discharge must be 0 or more"),
        (3, (Fraction(1),), (Fraction(101, 100),), "self-discharge must lie in 0..1"),
        (4, (0,), (-1,), "capacity, limits and self-discharge must be 0 or more"),
        (5, (0,), (-1,), "capacity, limits and self-discharge must be 0 or more"),
    ],
)
def test_constants_of_a_battery_have_bounds(
    place: int, good: tuple[Any, ...], bad: tuple[Any, ...], said: str
) -> None:
    figures: list[Any] = [9, Fraction(1, 2), Fraction(1, 2), Fraction(1, 2), 9, 9]
    for value in good:
        Battery(*figures[:place], value, *figures[place + 1 :])
    for value in bad:
        with pytest.raises(EnergyError, match=said):
            Battery(*figures[:place], value, *figures[place + 1 :])


@pytest.mark.parametrize(
    "name",
    [
        "battery_before_uj",
        "demand_uj",
        "harvest_uj",
        "import_uj",
        "export_uj",
        "charge_uj",
        "discharge_uj",
    ],
)
def test_a_negative_quantity_is_named(name: str) -> None:
    amounts = dict.fromkeys(
        ("demand_uj", "harvest_uj", "import_uj", "export_uj", "charge_uj", "discharge_uj"), 0
    )
    before = -3 if name == "battery_before_uj" else 0
    with pytest.raises(EnergyError, match=rf"^{name} (is|must|=|-)") as caught:
        balance(NO_BATTERY, before, **(amounts | ({} if before else {name: -3})))
    assert "-3" in str(caught.value)
