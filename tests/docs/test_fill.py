"""Numbers on pages are those of the recorded figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from docs.fill import EACH, FIELD, PLACE, filled, pages
from docs.recorded import FIGURES, NOT_REPEATED, machine_text, recording, value_at, written


def test_every_page_has_the_recorded_numbers() -> None:
    for page in pages():
        text = page.read_text(encoding="utf-8")
        assert filled(text) == text, f"{page.name}: python -m docs.fill"
        assert (
            text.count("<!-- figures:") == text.count("<!-- end of figures -->") == len(PLACE.findall(text))
        )


def test_every_recording_is_used_and_says_what_made_it() -> None:
    texts = [page.read_text(encoding="utf-8") for page in pages()]
    used = {name for text in texts for form in (FIELD, EACH) for name, _, _ in form.findall(text)}
    assert {path.stem for path in FIGURES.glob("*.json")} == used
    for name in used:
        recorded = recording(name)
        assert set(recorded) - {"kept", "commit"} in (
            {"command", "date", "machine", "found"},
            {"command", "date", "machine", "note", "found"},
        ), name
        if "note" in recorded:
            assert recorded["note"] == NOT_REPEATED, name
        else:
            assert "--json" in recorded["command"], name


def test_a_page_says_where_its_figures_are_not_repeated() -> None:
    for page in pages():
        text = page.read_text(encoding="utf-8")
        old = {
            name for form in (FIELD, EACH) for name, _, _ in form.findall(text) if "note" in recording(name)
        }
        for name in old:
            for part in ("note", "date", "machine", "command"):
                assert f"{{{name}:@{part}|text}}" in text, f"{page.name} does not give the {part} of {name}"


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (0.3934, "percent0", "39 %"),
        (0.3934, "points1", "39.3"),
        (12, "0", "12"),
        (1.26, "1", "1.3"),
        ("x", "text", "x"),
        (0.4, "percent0?", "40 %"),
        (None, "percent0?", ""),
        (True, "met", "met"),
        (False, "met", "not met"),
        (51234, "digits2", "51,000"),
        (0.0271, "digits2", "0.027"),
        (5e-14, "digits1", "5e-14"),
        (1.26e-6, "digits2", "1.3e-6"),
        (0.0, "digits2", "0"),
    ],
)
def test_formats(value: object, form: str, text: str) -> None:
    assert written(value, form) == text


@pytest.mark.parametrize(
    ("value", "form"),
    [(0.5, "percent"), (None, "1"), ("0.5", "1"), (True, "0"), (True, "text"), (0.5, "text"), ("x", "met")],
)
def test_what_is_no_number_is_not_written_as_one(value: object, form: str) -> None:
    with pytest.raises(ValueError):
        written(value, form)


def test_paths_name_one_thing() -> None:
    found = {"rows": [{"a": "x", "b": 1, "v": 5}, {"a": "x", "b": 2, "v": 6}]}
    assert value_at(found, "rows[a=x,b=2].v") == 6
    assert value_at(found, "rows.0.v") == 5
    with pytest.raises(LookupError, match="2 elements have a=x"):
        value_at(found, "rows[a=x].v")
    with pytest.raises(KeyError):
        value_at(found, "columns")


def test_a_place_is_written_again_and_keeps_its_marks(tmp_path: Path) -> None:
    (tmp_path / "demo.json").write_text(json.dumps({"date": "2026-11-29", "found": {"share": 0.5}}))
    text = (
        "a\n<!-- figures: {demo:share|percent0} of {demo:@date|text} -->\nold\n<!-- end of figures -->\nb\n"
    )
    once = filled(text, tmp_path)
    assert once == text.replace("old", "50 % of 2026-11-29")
    assert filled(once, tmp_path) == once
    with pytest.raises(ValueError, match="demo:part"):
        filled(text.replace("share", "part"), tmp_path)


def test_a_text_is_written_for_each_element(tmp_path: Path) -> None:
    found = {
        "rows": [{"name": "a", "share": 0.5}, {"name": "b", "share": None}],
        "by": {"x": {"n": 1}, "y": {"n": 2}},
    }
    (tmp_path / "demo.json").write_text(json.dumps({"found": found}))
    text = (
        "<!-- figures: | name | share |\n{demo:rows|each | [name|text] | [share|percent0?] |}\n\n"
        "  {demo:by|each - [@key|text]: [n|0]} -->\n<!-- end of figures -->\n"
    )
    once = filled(text, tmp_path)
    assert once.partition("-->\n")[2] == (
        "| name | share |\n| a | 50 % |\n| b |  |\n\n  - x: 1\n  - y: 2\n<!-- end of figures -->\n"
    )
    assert filled(once, tmp_path) == once
    with pytest.raises(ValueError, match="demo:rows"):
        filled(text.replace("[name|text]", "[nmae|text]"), tmp_path)


def test_machines_in_words() -> None:
    assert machine_text("two cores beside other work") == "two cores beside other work"
    facts = {"cores": 2, "processor": "P", "memory_gib": 23.5, "python": "3.11.7", "torch": "2", "load": 8.8}
    assert machine_text(facts) == "2 cores (P), 24 GiB, Python 3.11.7, torch 2, load 9 at the start"
