"""Long runs without learning: what they run, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from experiments.cli import invoke
from experiments.errors import UsageError
from experiments.runs.described import work_of
from experiments.runs.simulate import for_days
from experiments.scenario.model import parse_scenario

NODE = '[[nodes]]\nzone = "DE"\n'
ENERGY = '[task]\nname = "none"\n'


def test_days_are_slots_of_a_virtual_fleet() -> None:
    scenario = for_days(parse_scenario(ENERGY + "[time]\ntrace_step_s = 1800.0\n" + NODE), 3)
    assert len(scenario.stages.slots()) == 3 * 48
    assert scenario.fleet.kind == "virtual"


@pytest.mark.parametrize(
    ("text", "days", "said"),
    [
        ("", 1, "a simulation learns nothing"),
        (ENERGY + "[time]\ntrace_step_s = 1.0\n", 365, "give fewer days, or a longer time.trace_step_s"),
    ],
)
def test_what_cannot_be_simulated_is_refused(text: str, days: int, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        for_days(parse_scenario(text + NODE), days)


def test_the_command_writes_a_run_folder_with_one_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "energy.toml").write_text('policy = "local"\n' + ENERGY + NODE)
    arguments = ["simulate", str(tmp_path / "energy.toml"), "--days", "2", "--output", str(tmp_path / "run")]
    assert invoke([*arguments, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["slots"], told["nodes"], told["unserved_batches"]) == (48, 1, 0)
    assert (tmp_path / "run" / "DONE").exists()
    assert "Duration curves" in Path(told["report"]).read_text()
    assert invoke(["ledger", "verify", str(tmp_path / "run")]) == 0


def test_work_is_read_in_parts_and_keeps_every_unserved_batch(tmp_path: Path) -> None:
    rows = pd.DataFrame(
        {
            "slot": [0, 0, 1, 1, 2],
            "node_id": ["a", "b", "a", "b", "a"],
            "released_batches": pd.array([5, 6, 7, 8, None], dtype="Int64"),
            "unserved_batches": pd.array([0, 2, 0, 0, None], dtype="Int64"),
        }
    )
    rows.to_parquet(tmp_path / "slots.parquet", index=False)
    found = work_of(tmp_path / "slots.parquet")
    assert found["released_batches"].sum() == 26
    missed = found[found["unserved_batches"] > 0]
    assert missed[["slot", "node_id", "unserved_batches"]].to_numpy().tolist() == [[0, "b", 2]]
