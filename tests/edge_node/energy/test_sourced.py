"""Tables of published figures in TOML: a number without a source does not load."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_node.energy.components import load_profile
from edge_node.energy.sourced import (
    MAX_FILE_BYTES,
    Figure,
    SourceError,
    Unknown,
    exact_figures,
    read_figures,
    read_known,
    read_text,
)

_GOOD = '[[reading]]\nname = "a"\npower_w = 1.0\nsource = "x"\ncore_v = 1.0\n'


@pytest.mark.parametrize(
    ("ends", "message"),
    [
        ("low = 1\nhigh = 3", "has no low_source, high_source"),
        ('low = 1\nhigh = 3\nlow_source = "a"\nhigh_source = " "', "has no high_source"),
        ('low = 3\nhigh = 4\nlow_source = "a"\nhigh_source = "b"', "0 < low <= value <= high"),
        ('low = 0\nhigh = 4\nlow_source = "a"\nhigh_source = "b"', "0 < low <= value <= high"),
        ('low = 1\nhigh = inf\nlow_source = "a"\nhigh_source = "b"', "finite"),
    ],
)
def test_a_range_needs_both_ends_with_sources_about_the_value(ends: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read_figures(f'[x]\nvalue = 2\nunit = "J/byte"\nsource = "s"\n{ends}', "table")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("static_w = 3.0", "has no source"),
        ('[static_w]\nvalue = 3.0\nunit = "W"', "has no source"),
        ('[static_w]\nvalue = 3.0\nunit = "W"\nsource = " "', "has no source"),
        ('[static_w]\nvalue = nan\nunit = "W"\nsource = "x"', "finite"),
        ('[static_w]\nvalue = -1\nunit = "W"\nsource = "x"', "finite number >= 0"),
        ('[static_w]\nvalue = true\nunit = "W"\nsource = "x"', "finite"),
        ('[static_w]\nvalue = 3\nunit = "W"\nsource = "x"\nguess = 1', "guess"),
        ("[static_w", "no TOML"),
    ],
)
def test_a_number_without_a_source_does_not_load(text: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read_figures(text, "board x")


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


TWO = """a = "text"
[volts_v]
value = 5.0
unit = "V"
source = "sheet"
note = "typical"
[amps_a]
value = 2
unit = "A"
source = "choice: round"
"""
UNITS = {"volts_v": "V", "amps_a": "A"}


def test_exactly_the_figures_asked_for_each_in_its_unit() -> None:
    figures = exact_figures(TWO, "here", ["amps_a", "volts_v"], UNITS.__getitem__)
    assert figures == {
        "volts_v": Figure(5.0, "V", "sheet", "typical", None),
        "amps_a": Figure(2.0, "A", "choice: round", "", None),
    }
    with pytest.raises(SourceError, match=r"here lacks \['watts_w'\] and has unknown \['volts_v'\]"):
        exact_figures(TWO, "here", ["watts_w", "amps_a"], UNITS.__getitem__)
    with pytest.raises(SourceError, match="here: amps_a is in A; allowed is mA"):
        exact_figures(TWO, "here", UNITS, (UNITS | {"amps_a": "mA"}).__getitem__)


def test_unknown_is_a_value_of_its_own_where_it_may_be() -> None:
    text = TWO.replace("value = 2", 'value = "unknown"')
    figures, unknown, texts = read_known(text, "here")
    assert (list(figures), unknown, texts) == (
        ["volts_v"],
        {"amps_a": Unknown("A", "choice: round")},
        {"a": "text"},
    )
    with pytest.raises(SourceError, match="here: amps_a is unknown; here every figure needs a value"):
        read_figures(text, "here")


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "big.toml"
    path.write_bytes(b" " * (MAX_FILE_BYTES + 1))
    with pytest.raises(SourceError, match="bytes; a board has at most"):
        read_text(path, "a board", "others")
