"""Rounds that a Flower project says it has."""

from __future__ import annotations

from pathlib import Path

from experiments.scenario.app_rounds import rounds_of

PLAIN = Path(__file__).parents[2] / "apps" / "plain"


def test_the_project_says_its_rounds_and_the_run_configuration_goes_before(tmp_path: Path) -> None:
    assert rounds_of(PLAIN, {}) == 3
    assert rounds_of(PLAIN, {"num-server-rounds": 5}) == 5
    assert rounds_of(tmp_path, {}) is None
    assert rounds_of(None, {}) is None
    assert rounds_of(PLAIN, {"num-server-rounds": "many"}) is None
