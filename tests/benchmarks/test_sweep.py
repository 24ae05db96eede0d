"""The benchmark of sweeps measures what its goals say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import sweep
from experiments.sweep.keys import Keys, Surroundings
from experiments.sweep.runs import Runs


def test_its_cells_are_different_runs() -> None:
    runs = Runs.of(sweep.plan_of(5, 2), Keys(Surroundings("code", "data")), lambda: None)
    assert len(runs.by_key) == 5


def test_ratios_are_of_sweeps_in_turn_and_hits_of_those_that_find_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept: set[Path] = set()
    asked: list[int] = []

    def swept_s(plan: Any, workers: int, folder: Path, cache: Path) -> tuple[float, int]:
        known = cache in kept
        kept.add(cache)
        if not known:
            asked.append(workers)
        return (0.2, 0) if known else (19.0 / workers, 10)

    monkeypatch.setattr(sweep, "swept_s", swept_s)
    found = sweep.measure(lambda _: None, 10, 1, 2)
    assert asked == [1, 2, 2, 1]
    assert found["figures"]["cache hit (ms a cell)"] == pytest.approx(20.0)
    assert found["goals"]["two workers at least 1.8 times one"]["value"] == pytest.approx(2.0)
    assert all(goal["met"] for goal in found["goals"].values())
