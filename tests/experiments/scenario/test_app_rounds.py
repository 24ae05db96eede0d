"""Rounds that a Flower project says it has."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.scenario.app_rounds import batches_of, rounds_of, slots_of_a_round

PLAIN = Path(__file__).parents[2] / "apps" / "plain"


def test_the_project_says_its_rounds_and_the_run_configuration_goes_before(tmp_path: Path) -> None:
    assert rounds_of(PLAIN, {}) == 3
    assert rounds_of(PLAIN, {"num-server-rounds": 5}) == 5
    assert rounds_of(tmp_path, {}) is None
    assert rounds_of(None, {}) is None
    assert rounds_of(PLAIN, {"num-server-rounds": "many"}) is None


def test_a_project_that_tells_its_batches_is_divisible_and_its_round_is_one_slot(tmp_path: Path) -> None:
    assert batches_of(PLAIN) is None
    assert batches_of(None) is None
    assert slots_of_a_round(PLAIN, 2) == 3
    project = tmp_path / "pyproject.toml"
    project.write_text("[tool.detabed.app]\nbatches = 4\n")
    assert batches_of(tmp_path) == 4
    assert slots_of_a_round(tmp_path, 2) == 1
    for wrong in ("0", "true", "1.5", "'4'"):
        project.write_text(f"[tool.detabed.app]\nbatches = {wrong}\n")
        with pytest.raises(ValueError, match="allowed is a whole number of 1 or more"):
            batches_of(tmp_path)
