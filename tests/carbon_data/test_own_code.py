"""User code by ``package.module:Name``: found beside the scenario, and errors that say what is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from carbon_data.own_code import load, look_beside


def test_an_object_is_found_beside_the_scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine_here.py").write_text("class Thing:\n    size = 3\n")
    monkeypatch.setattr(sys, "path", list(sys.path))
    look_beside(tmp_path)
    try:
        assert load("mine_here:Thing").size == 3
        with pytest.raises(AttributeError, match="Other"):
            load("mine_here:Other")
        with pytest.raises(ImportError, match="beside the scenario"):
            load("mine_nowhere:Thing")
    finally:
        look_beside(None)
        sys.modules.pop("mine_here", None)


def test_a_name_without_a_module_is_refused() -> None:
    with pytest.raises(ImportError, match="Empty module name"):
        load(":Thing")
