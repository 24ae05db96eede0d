"""(T2): coefficients from readings, undetermined ones are reported, profiles have sources."""

from __future__ import annotations

import math
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


POINT = OperatingPoint(
    core_v=2.0,
    core_hz=3.0,
    core_utilisation=5.0,
    memory_v=7.0,
    memory_hz=11.0,
    memory_utilisation=0.5,
    transmit_w=13.0,
    circuit_on=True,
)
ROW = [2.0**2 * 3 * 5, 2.0**2 * 3, 2.0, 7.0**2 * 11 * 0.5, 7.0**2 * 11, 7.0, 13.0, 1.0]


def test_a_row_of_the_design_matrix_by_hand() -> None:
    assert POINT.row().tolist() == ROW
    assert replace(POINT, circuit_on=False).row().tolist() == [*ROW[:7], 0.0]
    for component, columns in (
        (Component.COMPUTATION, (0, 1, 2)),
        (Component.MEMORY, (3, 4, 5)),
        (Component.COMMUNICATION, (6, 7)),
    ):
        wanted = [value if k in columns else 0.0 for k, value in enumerate(ROW)]
        assert POINT.row(frozenset({component})).tolist() == wanted
    rest = replace(POINT, core_utilisation=1.0, transmit_w=0.0)
    above = Reading("a", POINT, 1.0, above=rest)
    assert above.row().tolist() == [2.0**2 * 3 * 4, 0.0, 0.0, 0.0, 0.0, 0.0, 13.0, 0.0]
    radio = replace(above, covers=frozenset({Component.COMMUNICATION}))
    assert radio.row().tolist() == [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 13.0, 0.0]


def test_a_split_by_hand() -> None:
    """Coefficients 1 to 8 over the row above: what is static is all but the three terms that work brings."""
    truth = dict(zip(COEFFICIENTS, (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0), strict=True))
    readings = [
        Reading(str(i), p, float(p.row() @ np.array(list(truth.values()))))
        for i, p in enumerate(_points(1, 24))
    ]
    known = fit(readings)
    model = replace(known, coefficients=truth)
    split = model.power(POINT)
    parts = [value * coefficient for value, coefficient in zip(ROW, truth.values(), strict=True)]
    assert split.computation_w == pytest.approx(sum(parts[:3]))
    assert split.memory_w == pytest.approx(sum(parts[3:6]))
    assert split.communication_w == pytest.approx(sum(parts[6:]))
    assert (split.computation_dynamic_w, split.memory_dynamic_w, split.transmit_w) == pytest.approx(
        (parts[0], parts[3], parts[6])
    )
    assert split.static_w == pytest.approx(sum(parts) - parts[0] - parts[3] - parts[6])
    assert split.total_w == pytest.approx(sum(parts))
    assert (split.identified, split.split_identified) == (True, True)
    residuals = replace(model, residuals_w={"a": 3.0, "b": -4.0})
    assert residuals.rms_residual_w == pytest.approx(math.sqrt(12.5))


def test_a_coefficient_held_at_its_bound_is_said_to_be() -> None:
    """Power falls with utilisation: the dynamic term would be negative."""
    rest = OperatingPoint(core_v=1.0, core_hz=1e9)
    model = fit([Reading(str(n), replace(rest, core_utilisation=n), 3.0 - n) for n in range(3)])
    assert model.at_bound["lam1c"]
    assert model.coefficients["lam1c"] == 0.0
    assert not model.at_bound["lam1m"], "no reading touches it"
    assert model.rank == 2


def test_refusals_of_points_and_readings_by_name() -> None:
    for name in ("core_v", "core_hz", "core_utilisation", "memory_v", "memory_hz", "transmit_w"):
        for bad in (-1.0, math.inf, math.nan):
            with pytest.raises(ValueError, match=f"^{name} is {bad}; allowed is a finite number >= 0"):
                OperatingPoint(**{name: bad})
    OperatingPoint(memory_utilisation=1.0)
    with pytest.raises(ValueError, match=r"memory_utilisation is 1\.01; allowed is 0 to 1"):
        OperatingPoint(memory_utilisation=1.01)
    Reading("a", POINT, 0.0)
    for bad in (-1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match=f"reading a: power_w is {bad}; allowed is a finite number >= 0"):
            Reading("a", POINT, bad)
    with pytest.raises(ValueError, match="reading a covers no component"):
        Reading("a", POINT, 1.0, covers=frozenset())
