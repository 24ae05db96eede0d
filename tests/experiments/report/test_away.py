"""What a killed coordinator's absence lacks in the books of a run on the wall clock."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from experiments.report.away import away
from experiments.report.notices import notices
from experiments.report.read import Run, load

MakeRun = Callable[..., Path]


def on_the_wall(run: Run, longer_s: float, told: bool = True) -> Run:
    """Every slot as long as configured; in slot 2 the boards' windows are longer."""
    slots, decisions = run.tables["slots"], run.tables["decisions"]
    windows = pd.Series(run.slot_s, index=slots.index) + longer_s * (slots["slot"] == 2)
    tables: dict[str, Any] = {
        **run.tables,
        "slots": slots.assign(duration_s=windows.astype("Float64") if told else pd.NA),
        "decisions": decisions.assign(duration_s=run.slot_s, overrun_s=0.0, missed=False, undone_batches=0),
    }
    return dataclasses.replace(run, tables=tables)


def test_the_boards_windows_say_how_long_it_was_away(make_run: MakeRun) -> None:
    (run,) = load(make_run(nodes=3))
    wall = on_the_wall(run, longer_s=run.slot_s / 2)
    found = away(wall)
    assert found is not None
    assert found.seconds == pytest.approx(run.slot_s / 2)
    lines = run.tables["lines"]
    shared = lines[lines["component"].astype(str).isin(["coordinator", "router"])]["energy_j"].sum()
    slots = run.tables["decisions"]["slot"].nunique()
    assert shared > 0
    assert found.energy_j == pytest.approx(shared / slots / 2)
    assert away(on_the_wall(run, longer_s=run.slot_s / 20)) == dataclasses.replace(
        found, seconds=0.0, energy_j=0.0
    )


def test_nothing_lacks_on_the_virtual_clock_and_untold_is_not_zero(make_run: MakeRun) -> None:
    (run,) = load(make_run(nodes=3))
    assert away(run) is None
    assert away(on_the_wall(run, 100.0, told=False)) is None


@pytest.mark.parametrize(
    ("told", "text"), [(True, "by the boards' windows, some"), (False, "no board told for how long")]
)
def test_the_report_says_what_lacks(make_run: MakeRun, told: bool, text: str) -> None:
    folder = make_run(nodes=3)
    metadata = json.loads((folder / "metadata.json").read_text())
    metadata["coordinator_restarts"] = [{"exit_code": -9, "down_s": 0.4}]
    (folder / "metadata.json").write_text(json.dumps(metadata))
    study = load(folder)
    (run,) = study
    wall = on_the_wall(run, run.slot_s / 2, told)
    changed = dataclasses.replace(study, runs={run.policy: {run.seed: wall}})
    said = {notice.title: notice.text for notice in notices(changed)}["Coordinator restarts"]
    assert text in said
    assert "in no total" in said
