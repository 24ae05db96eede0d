"""Numbers on pages are those of the recorded figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from docs.fill import FIELD, FIGURES, PLACE, filled, pages, value_at, written


def test_every_page_has_the_recorded_numbers() -> None:
    for page in pages():
        text = page.read_text(encoding="utf-8")
        assert filled(text) == text, f"{page.name}: python -m docs.fill"
        assert (
            text.count("<!-- figures:") == text.count("<!-- end of figures -->") == len(PLACE.findall(text))
        )


def test_every_recording_is_used_and_says_what_made_it() -> None:
    used = {name for page in pages() for name, _, _ in FIELD.findall(page.read_text(encoding="utf-8"))}
    files = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in FIGURES.glob("*.json")}
    assert set(files) == used
    for name, recorded in files.items():
        assert list(recorded) == ["command", "date", "machine", "found"], name
        assert "--json" in recorded["command"], name


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (0.3934, "percent0", "39 %"),
        (0.3934, "points1", "39.3"),
        (12, "0", "12"),
        (1.26, "1", "1.3"),
        ("x", "text", "x"),
    ],
)
def test_formats(value: object, form: str, text: str) -> None:
    assert written(value, form) == text


@pytest.mark.parametrize(("value", "form"), [(0.5, "percent"), (None, "1"), ("0.5", "1"), (True, "0")])
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
