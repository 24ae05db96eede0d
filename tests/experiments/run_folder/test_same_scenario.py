"""Runs of different scenarios are not compared, in whichever folder they are."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from carbon_data.types import DataError
from experiments.cli import invoke
from experiments.report.read import load
from experiments.run_folder.same_scenario import difference, scenario_digest, scenario_facts


@pytest.fixture
def mixed(small_comparison: Path, tmp_path: Path) -> Path:
    """A copy of the small comparison, for changes."""
    folder = tmp_path / "mixed"
    shutil.copytree(small_comparison, folder)
    return folder


def change(run: Path, old: str, new: str) -> None:
    path = run / "scenario.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_policies_and_seeds_of_one_scenario_are_compared(small_comparison: Path) -> None:
    digests = {
        json.loads((run / "metadata.json").read_text())["scenario_digest"]
        for run in small_comparison.glob("*-s*")
    }
    assert len(digests) == 1
    assert set(load(small_comparison).policies) == {"local", "deta"}


@pytest.mark.parametrize("command", ["report", "qoais"])
def test_another_scenario_in_the_folder_is_refused_with_the_keys(
    mixed: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    change(mixed / "deta-s1", "learning_rate = 0.1", "learning_rate = 0.3")
    change(mixed / "deta-s1", "offload_cap_fraction = 0.5", "offload_cap_fraction = 0.25")
    assert invoke([command, str(mixed)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "task.learning_rate (0." in said.err
    assert "limits.offload_cap_fraction (0." in said.err


def test_what_the_scenario_resolved_to_counts_too(mixed: Path) -> None:
    path = mixed / "local-s0" / "metadata.json"
    metadata = json.loads(path.read_text())
    zone = next(iter(metadata["intensity_digest"]))
    metadata["intensity_digest"][zone] = "of another year"
    path.write_text(json.dumps(metadata))
    with pytest.raises(DataError, match=f"intensity_digest.{zone}"):
        load(mixed)


def test_where_processes_run_is_no_part_of_a_scenario() -> None:
    one = scenario_facts(
        'seed = 1\npolicy = "det"\n[fleet]\nkind = "ray"\nmeter = "modelled"\n', {"slot_s": 1.0}
    )
    two = scenario_facts(
        'seed = 2\npolicy = "dat"\n[fleet]\nkind = "inprocess"\nmeter = "modelled"\n', {"slot_s": 1.0}
    )
    three = scenario_facts('[fleet]\nmeter = "cpu-time"\n', {"slot_s": 2.0})
    assert difference(one, two) == ""
    assert scenario_digest(one) == scenario_digest(two) != scenario_digest(three)
    assert difference(one, three) == "fleet.meter (modelled and cpu-time) and resolved slot_s (1.0 and 2.0)"
