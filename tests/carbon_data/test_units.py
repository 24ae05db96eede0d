"""Unit conversions, by hand and there and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_data.units import (
    from_micro,
    from_pico,
    joules_to_kwh,
    kwh_to_joules,
    to_micro,
    wh_to_joules,
)


def test_a_kilowatt_hour_by_hand() -> None:
    assert kwh_to_joules(2.5) == 9e6
    assert wh_to_joules(2500.0) == 9e6
    assert joules_to_kwh(9e6) == 2.5
    assert from_pico(3_500_000_000_000) == 3.5


@given(st.integers(-(10**15), 10**15))
def test_booked_energies_keep_every_microjoule(energy_uj: int) -> None:
    assert to_micro(from_micro(energy_uj)) == energy_uj


def test_half_a_microjoule_goes_to_the_even_one() -> None:
    assert to_micro(0.5e-6) == 0
    assert to_micro(1.5e-6) == 2
    assert to_micro(-0.25) == pytest.approx(-250_000)
