"""Energy of a training on the paper's boards: the testbed's board model, one speed calibrated per model."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_data.units import joules_to_kwh
from experiments.studies.fei import energy
from tests.experiments.studies.fei.trainings import training


@given(st.floats(1e9, 1e15), st.integers(1, 50), st.floats(1e-4, 10.0))
def test_calibration_gives_back_the_papers_energy(flop: float, rounds: int, kwh: float) -> None:
    one = training(1, rounds, flop)
    speed = energy.flop_per_s_for(one, kwh, with_coordinator=False)
    assert speed is not None
    used = energy.training_energy(one, speed)
    assert joules_to_kwh(float(used.servers_j.sum())) == pytest.approx(kwh)
    assert used.coordinator_j == 0.0
    assert used.network_j == 0.0


@given(st.integers(1, 12), st.floats(1e9, 1e11), st.booleans())
def test_a_speed_is_found_from_the_energy_of_any_row(edges: int, speed: float, counts: bool) -> None:
    some = training(edges, 5)
    used = energy.training_energy(some, speed)
    joules = float(used.servers_j.sum()) + (used.coordinator_j if counts else 0.0)
    found = energy.flop_per_s_for(some, joules_to_kwh(joules), with_coordinator=counts)
    assert found == pytest.approx(speed, rel=1e-6)
    assert energy.flop_per_s_for(some, 0.0, with_coordinator=counts) is None or edges == 1


@given(st.integers(1, 40), st.integers(1, 12))
def test_energy_is_proportional_to_rounds(rounds: int, edges: int) -> None:
    once = energy.training_energy(training(edges, 1), 1e9)
    many = energy.training_energy(training(edges, rounds), 1e9)
    assert many.servers_j.sum() == pytest.approx(rounds * once.servers_j.sum())
    assert many.coordinator_j == pytest.approx(rounds * once.coordinator_j)
