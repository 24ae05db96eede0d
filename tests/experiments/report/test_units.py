"""Formatting of figures for people: the only file that converts to mg, kg, kJ, kWh and percent."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.report import units


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (9.998, "10.0"),
        (1234.5, "1\u202f234"),
        (-0.5, "\u22120.500"),
        (2.5e-9, "2.50e\u22129"),
        (0.00123, "0.00123"),
        (math.inf, "\u221e"),
        (-math.inf, "\u2212\u221e"),
        (5e-324, "4.94e\u2212324"),
    ],
)
def test_numbers_for_people(value: float, text: str) -> None:
    assert units.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.5, "0.5"), (120.0, "120"), (1e-6, "1e\u22126"), (-2.5e-9, "\u22122.5e\u22129")]
)
def test_settings_have_no_zeros_at_the_end(value: float, text: str) -> None:
    assert units.trimmed(value) == text


@given(st.floats(1e-12, 1e15))
def test_scales_keep_numbers_readable(grams: float) -> None:
    scale = units.grams_scale(grams)
    assert grams * scale.factor < 1000 or scale.unit == "t"
    assert grams * scale.factor >= 1 - 1e-9 or scale.unit == "µg"


def test_missing_is_a_dash_and_never_zero() -> None:
    for text in (units.grams, units.joules, units.percent, units.count, units.bits_per_joule, units.kwh):
        assert text(None) == units.NO_VALUE
        assert text(math.nan) == units.NO_VALUE
        assert text(0.0) != units.NO_VALUE


@pytest.mark.parametrize("value", [0.0, -0.0, -1e-9])
def test_a_zero_has_no_sign(value: float) -> None:
    assert units.percent(value) == "0.0\u202f%"
    assert units.reduction_text(value, value, value) == "0.0\u202f% [0.0, 0.0]"


def test_no_format_of_the_source_gives_a_zero_a_minus() -> None:
    """``z`` in a format with a sign: what rounds to zero is +0.0, never -0.0."""
    root = Path(__file__).parents[3]
    signed = re.compile(r":\+,?(\.\d+|\.\{\w+\})[f%]")
    for package in ("benchmarks", "carbon_data", "coordinator", "docs", "edge_node", "experiments", "protos"):
        for path in (root / package).rglob("*.py"):
            found = signed.findall(path.read_text(encoding="utf-8"))
            assert found == [], f"{path}: write :+z in place of :+"
