"""Counting of mutants: what is killed, what is not, and when a share may be stated."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import mutants

NAMES = {"a": 1, "b": 36, "c": None, "d": 2, "e": 35, "f": 33}


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """mutmut's own file format, a mutant for each kind of exit code."""
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "file.py.meta").write_text(json.dumps({"exit_code_by_key": NAMES}))
    monkeypatch.setattr(mutants, "FOLDER", tmp_path)
    monkeypatch.setattr(mutants, "change_of", lambda name: (f"old {name}", f"new {name}"))
    return mutants.statuses()


def test_only_failing_tests_kill(found: dict[str, str]) -> None:
    """A time-out fails the tests; an interrupted mutant was not run; a suspicious one is not counted as killed."""
    assert found == {
        "a": "killed",
        "b": "killed",
        "c": "not run",
        "d": "not run",
        "e": "survived",
        "f": "no tests",
    }


def test_a_share_is_stated_of_a_whole_sample_only(found: dict[str, str]) -> None:
    part = mutants.summary(list(found), found, wanted=len(found))
    assert part["goals"] == {}
    assert part["deferred"]
    run = [name for name in found if found[name] != "not run"]
    assert mutants.summary(run, found, wanted=5)["goals"] == {}
    whole = mutants.summary(run, found, wanted=4)
    (goal,) = whole["goals"].values()
    assert (goal["value"], goal["met"]) == (0.5, False)
    assert [one["mutant"] for one in whole["survivors"]] == ["e", "f"]


@pytest.mark.parametrize(
    ("mutant", "function"),
    [
        (
            "coordinator.accounting.tree.x_weighted_tree__mutmut_2",
            "coordinator.accounting.tree.weighted_tree",
        ),
        ("edge_node.slots.state.xǁStateǁ__init____mutmut_11", "edge_node.slots.state.State.__init__"),
        ("carbon_data.units.x__private__mutmut_1", "carbon_data.units._private"),
    ],
)
def test_a_mutant_s_function(mutant: str, function: str) -> None:
    assert mutants.function_of(mutant) == function


def test_wilson_s_interval() -> None:
    """95 of 100: Wilson (1927) gives 0.888 to 0.978."""
    assert mutants.interval(95, 100) == pytest.approx((0.8882, 0.9785), abs=5e-4)
