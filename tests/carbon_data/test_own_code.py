"""User code by ``package.module:Name``: found beside the scenario, and errors that say what is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from carbon_data.own_code import look_beside, named


def test_an_object_is_found_beside_the_scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine_here.py").write_text("class Thing:\n    size = 3\n")
    monkeypatch.setattr(sys, "path", list(sys.path))
    look_beside(tmp_path)
    try:
        assert named("mine_here:Thing", {}, "toy", ValueError).size == 3
        with pytest.raises(ValueError, match="'mine_here' has no 'Other'; it has Thing"):
            named("mine_here:Other", {}, "toy", ValueError)
        with pytest.raises(ValueError, match="beside the scenario"):
            named("mine_nowhere:Thing", {}, "toy", ValueError)
    finally:
        look_beside(None)
        sys.modules.pop("mine_here", None)


def test_a_module_of_the_same_name_beside_another_scenario_is_another(tmp_path: Path) -> None:
    path = list(sys.path)
    try:
        for size in (1, 2):
            folder = tmp_path / str(size)
            folder.mkdir()
            (folder / "mine_twice.py").write_text(f"class Thing:\n    size = {size}\n")
            look_beside(folder)
            assert named("mine_twice:Thing", {}, "toy", ValueError).size == size
    finally:
        look_beside(None)
    assert "mine_twice" not in sys.modules
    assert sys.path == path


def test_entries_of_a_registry_come_first_and_unknown_names_are_refused() -> None:
    ours = {"path": "pathlib:Path", "three": 3}
    assert named("path", ours, "toy", ValueError) is Path
    assert named("three", ours, "toy", ValueError) == 3
    for unknown in ("four", ":Thing", "module:"):
        with pytest.raises(
            ValueError, match=r"no toy is called .* allowed are path, three, x:y, or one of your own"
        ):
            named(unknown, ours, "toy", ValueError, also="x:y")
