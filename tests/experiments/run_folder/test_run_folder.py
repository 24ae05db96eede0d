"""A run folder is complete, and a run repeats from its own."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from experiments.cli import invoke


def test_a_run_folder_is_complete_and_its_books_are_sound(
    small_scenario: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    assert invoke(["run", str(small_scenario), "--output", str(folder), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["run"] == str(folder)
    for name in ("scenario.toml", "metadata.json", "ledger.sqlite", "report.html", "DONE", "timings.json"):
        assert (folder / name).exists(), name
    assert invoke(["ledger", "verify", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"]

    slots = pd.read_parquet(folder / "slots.parquet")
    lines = pd.read_parquet(folder / "lines.parquet")
    assert len(slots) == 8 * 3
    # (D1), (D2): every joule that is used comes from somewhere, every joule that is harvested goes somewhere.
    assert (slots.demand_j - slots.grid_j - slots.green_j).abs().max() < 1e-9
    bus = (
        slots.harvest_j + slots.discharge_j + slots.import_j - slots.green_j - slots.charge_j - slots.export_j
    )
    assert (bus - slots.curtailed_j).abs().max() < 1e-9
    # (D4): all batches are run, each once.
    assert slots.executed_batches.sum() == slots.released_batches.sum()
    assert slots.unserved_batches.sum() == 0
    # The sum of the lines equals the run's stated emissions.
    assert lines.operational_g.sum() == pytest.approx(printed["emissions_g"], rel=1e-9)
    nodes = lines[lines.node_id.str.startswith("n") & (lines.node_id != "network")]
    assert nodes.energy_j.sum() == pytest.approx(slots.demand_j.sum(), rel=1e-9)


def test_a_run_repeats_from_its_own_folder(small_scenario: Path, tmp_path: Path) -> None:
    assert invoke(["run", str(small_scenario), "--output", str(tmp_path / "one"), "--no-report"]) == 0
    again = str(tmp_path / "one" / "scenario.toml")
    assert invoke(["run", again, "--output", str(tmp_path / "two"), "--no-report"]) == 0
    assert (tmp_path / "one" / "slots.parquet").read_bytes() == (
        tmp_path / "two" / "slots.parquet"
    ).read_bytes()
