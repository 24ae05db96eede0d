"""Sources by name, and the conformance suite itself: it must find the violations that it checks."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from carbon_data.sources.constant import ConstantIntensity
from carbon_data.sources.registry import (
    HARVEST_SOURCES,
    INTENSITY_SOURCES,
    describe,
    intensity_source,
)
from carbon_data.types import (
    DataError,
)


@pytest.mark.parametrize("registry", [INTENSITY_SOURCES, HARVEST_SOURCES])
def test_every_entry_says_in_one_line_what_it_is(registry: dict[str, object]) -> None:
    for name, line in describe(registry).items():  # type: ignore[arg-type]
        assert line.endswith("."), name
        assert len(line) < 140, name


def test_a_source_out_of_tree_is_named_by_its_path() -> None:
    source = intensity_source(
        "carbon_data.sources.constant:ConstantIntensity", intensity_g_per_kwh={"X": 1.0}
    )
    assert isinstance(source, ConstantIntensity)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("nonsense", {}, "allowed are profiles, constant"),
        ("no.such.module:Name", {}, "cannot be loaded"),
        ("carbon_data.units:Nothing", {}, "cannot be loaded"),
        ("carbon_data.units:MICRO", {}, "not something that makes"),
        ("builtins:dict", {}, "it is no intensity source"),
        ("datetime:timedelta", {}, "it is no intensity source"),
        ("carbon_data.types:Origin", {"source": "a", "licence": "b"}, "without zones, series"),
        ("profiles", {"colour": "red"}, "its options are folder"),
        ("constant", {}, "intensity_g_per_kwh"),
    ],
)
def test_wrong_names_and_options_are_clear_errors(name: str, options: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        intensity_source(name, **options)


def test_naming_sources_does_not_import_slow_libraries() -> None:
    slow = "{'pvlib', 'pandas', 'scipy'}"
    code = f"import sys, carbon_data.sources.registry; print(sorted({slow} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("trace", {"path": "t.csv", "interval_s": "x"}, "interval_s is 'x'; allowed is float | None"),
        ("trace", {"path": "t.csv", "fill": 3}, "fill is 3; allowed is str | None"),
        ("trace", {"path": "t.csv", "timezone": 3}, "timezone is 3"),
        ("trace", {"path": "t.csv", "separator": 3}, "separator is 3"),
        ("trace", {"path": "t.csv", "longest_flat_h": "x"}, "longest_flat_h is 'x'"),
        ("constant", {"intensity_g_per_kwh": "x"}, "intensity_g_per_kwh is 'x'"),
        ("profiles", {"folder": 3}, "folder is 3"),
    ],
)
def test_an_option_of_the_wrong_type_is_named(name: str, options: dict[str, object], said: str) -> None:
    with pytest.raises(DataError, match=re.escape(said)):
        intensity_source(name, **options)
