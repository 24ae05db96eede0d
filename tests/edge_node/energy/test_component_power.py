"""(T2): coefficients from readings, undetermined ones are reported, profiles have sources."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_node.energy.component_power import (
    COEFFICIENTS,
    Component,
    FitError,
    OperatingPoint,
    Reading,
    fit,
)
from edge_node.energy.components import load_profile, profile_names
from edge_node.energy.sourced import SourceError


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


def test_every_packaged_reading_has_a_source_and_every_model_reports_its_residuals() -> None:
    assert set(profile_names()) == {"raspberry-pi-4b", "rtx-4090-server"}
    for name in profile_names():
        profile = load_profile(name)
        assert all(reading.source for reading in profile.readings)
        model = profile.model()
        assert set(model.residuals_w) == {reading.name for reading in profile.readings}


def test_the_server_profile_is_table_one() -> None:
    profile = load_profile("rtx-4090-server")
    model = profile.model()
    for name, watts in {"sleep": 60.0, "prefill": 117.37, "decode": 117.37}.items():
        split = model.power(profile.reading(name).point)
        assert split.identified
        assert split.total_w == pytest.approx(watts, abs=1e-6)
    prefill, decode = (model.power(profile.reading(name).point) for name in ("prefill", "decode"))
    assert prefill.computation_dynamic_w > prefill.memory_dynamic_w
    assert decode.memory_dynamic_w > decode.computation_dynamic_w
    assert decode.memory_dynamic_w == pytest.approx(0.7 * 1008e9 * 8 * 7.25e-12, rel=1e-3)
    awake = replace(profile.reading("decode").point, core_utilisation=0.0, memory_utilisation=0.0)
    waiting = model.power(awake)
    assert waiting.identified
    assert 60.0 < waiting.total_w < 117.37


def test_the_pi_profile_has_a_residual_and_no_memory_coefficients() -> None:
    model = load_profile("raspberry-pi-4b").model()
    assert 0.1 < model.rms_residual_w < 0.5
    assert model.identified["lam1c"]
    assert not model.identified["lam1m"]


_GOOD = '[[reading]]\nname = "a"\npower_w = 1.0\nsource = "x"\ncore_v = 1.0\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[reading", "no TOML"),
        ('name = "x"', "no \\[\\[reading\\]\\]"),
        ('[[reading]]\nname = "a"\npower_w = 1.0', "has no source"),
        ('[[reading]]\nname = "a"\nsource = "x"', "power_w"),
        (_GOOD + "guess = 1", "guess"),
        (_GOOD + 'covers = ["soul"]', "soul"),
        (_GOOD + "above = { soul = 1 }", "soul"),
        (_GOOD.replace("1.0\nsource", "-1.0\nsource"), "allowed is"),
    ],
)
def test_a_reading_without_a_source_does_not_load(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SourceError, match=message):
        load_profile(str(path))


def test_unknown_profiles_and_readings_name_the_known_ones() -> None:
    with pytest.raises(SourceError, match="rtx-4090-server"):
        load_profile("abacus")
    with pytest.raises(SourceError, match="prefill"):
        load_profile("rtx-4090-server").reading("nap")
