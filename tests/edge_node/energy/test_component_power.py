"""(T2): coefficients from readings, undetermined ones are reported, profiles have sources."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_node.energy.component_power import COEFFICIENTS, Component, FitError, OperatingPoint, Reading, fit


def _points(seed: int, count: int) -> list[OperatingPoint]:
    rng = np.random.default_rng(seed)
    return [
        OperatingPoint(
            core_v=float(rng.uniform(0.6, 1.2)),
            core_hz=float(rng.uniform(0.2e9, 3e9)),
            core_utilisation=float(rng.uniform(0, 4)),
            memory_v=float(rng.uniform(1.0, 1.4)),
            memory_hz=float(rng.uniform(0.4e9, 1e10)),
            memory_utilisation=float(rng.uniform(0, 1)),
            transmit_w=float(rng.uniform(0, 2)),
            circuit_on=bool(index % 2),
        )
        for index in range(count)
    ]


@given(
    seed=st.integers(0, 10_000),
    values=st.lists(st.floats(0.0, 10.0), min_size=8, max_size=8),
)
def test_exact_readings_give_the_coefficients_back(seed: int, values: list[float]) -> None:
    scale = np.array([1e-9, 1e-9, 1.0, 1e-9, 1e-9, 1.0, 1.0, 1.0])
    truth = np.array(values) * scale
    points = _points(seed, 24)
    readings = [Reading(str(i), p, float(p.row() @ truth)) for i, p in enumerate(points)]
    model = fit(readings)
    assert model.rank == len(COEFFICIENTS)
    assert all(model.identified.values())
    got = np.array([model.coefficients[name] for name in COEFFICIENTS])
    assert got / scale == pytest.approx(truth / scale, abs=1e-6)
    assert model.rms_residual_w == pytest.approx(0.0, abs=1e-8)
    for point in points:
        split = model.power(point)
        assert split.total_w == pytest.approx(float(point.row() @ truth), abs=1e-7)
        dynamic = split.computation_dynamic_w + split.memory_dynamic_w + split.transmit_w
        assert split.static_w + dynamic == pytest.approx(split.total_w)


@given(seed=st.integers(0, 10_000))
def test_coefficients_are_never_negative_and_residuals_are_those_of_the_model(seed: int) -> None:
    rng = np.random.default_rng(seed)
    readings = [Reading(str(i), p, float(rng.uniform(0, 100))) for i, p in enumerate(_points(seed, 12))]
    model = fit(readings)
    assert all(value >= 0 for value in model.coefficients.values())
    for reading in readings:
        modelled = model.power(reading.point).total_w
        assert model.residuals_w[reading.name] == pytest.approx(reading.power_w - modelled, abs=1e-9)


def test_what_the_readings_never_vary_is_called_undetermined() -> None:
    rest = OperatingPoint(core_v=1.0, core_hz=1e9, memory_v=1.0, memory_hz=1e9)
    model = fit([Reading(str(n), replace(rest, core_utilisation=n), 3.0 + n) for n in range(3)])
    assert model.identified["lam1c"]
    assert not any(model.identified[name] for name in COEFFICIENTS if name != "lam1c")
    split = model.power(replace(rest, core_utilisation=1.5))
    assert split.identified
    assert not split.split_identified
    assert split.total_w == pytest.approx(4.5)
    assert not model.power(replace(rest, memory_utilisation=0.5)).identified
    assert not model.power(replace(rest, core_hz=2e9)).identified


def test_a_meter_behind_one_component_says_nothing_of_another() -> None:
    point = OperatingPoint(core_v=1.0, core_hz=1e9, core_utilisation=1.0, transmit_w=1.0, circuit_on=True)
    reading = Reading("radio", point, 5.0, covers=frozenset({Component.COMMUNICATION}))
    assert reading.row()[:6].tolist() == [0.0] * 6


@pytest.mark.parametrize(
    ("readings", "message"),
    [
        ([Reading("a", OperatingPoint(core_v=1.0), 1.0)], "at least 2"),
        ([Reading("a", OperatingPoint(core_v=1.0), 1.0)] * 2, "repeat a name"),
        ([Reading("a", OperatingPoint(), 1.0), Reading("b", OperatingPoint(), 1.0)], "no reading gives"),
    ],
)
def test_useless_readings_are_refused(readings: list[Reading], message: str) -> None:
    with pytest.raises(FitError, match=message):
        fit(readings)


@pytest.mark.parametrize("values", [{"core_v": -1.0}, {"core_hz": float("nan")}, {"memory_utilisation": 1.5}])
def test_impossible_points_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="allowed is"):
        OperatingPoint(**values)
