"""Whole runs through the command line, with the in-process fleet: real training, real ledger."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from experiments.cli import invoke

SMALL = """name = "small"
[stages]
preparation = 1
development = 4
application = 2
recycling = 1
[time]
start = 2022-06-21T16:00:00Z
[task]
data = "digits"
batch_size = 16
local_epochs = 1
[inference]
batches_per_slot = 4
requests_per_batch = 16
[fleet]
kind = "inprocess"
[[nodes]]
zone = "US-NW-SCL"
[[nodes]]
zone = "US-SE-SOCO"
[[nodes]]
zone = "US-NW-WACM"
"""
TABLES = ("slots", "lines", "batch_flows", "energy_flows", "rounds", "nodes", "decisions")


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


def test_the_same_scenario_and_seed_give_the_same_tables_byte_for_byte(
    scenario: Path, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        assert invoke(["run", str(scenario), "--output", str(tmp_path / name), "--no-report"]) == 0
    for table in TABLES:
        one, two = ((tmp_path / name / f"{table}.parquet").read_bytes() for name in ("one", "two"))
        assert one == two, table


def test_a_run_folder_is_complete_and_its_books_are_sound(
    scenario: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    assert invoke(["run", str(scenario), "--output", str(folder), "--json"]) == 0
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


def test_a_run_repeats_from_its_own_folder(scenario: Path, tmp_path: Path) -> None:
    assert invoke(["run", str(scenario), "--output", str(tmp_path / "one"), "--no-report"]) == 0
    again = str(tmp_path / "one" / "scenario.toml")
    assert invoke(["run", again, "--output", str(tmp_path / "two"), "--no-report"]) == 0
    assert (tmp_path / "one" / "slots.parquet").read_bytes() == (
        tmp_path / "two" / "slots.parquet"
    ).read_bytes()


def test_the_demos_claim_holds_deta_emits_least(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(tmp_path / "demo")
    arguments = [
        "compare",
        "demo",
        "--policies",
        "local,det,dat,deta",
        "--seeds",
        "1",
        "--fleet",
        "inprocess",
    ]
    assert invoke([*arguments, "--output", folder, "--no-report", "--json"]) == 0
    policies = json.loads(capsys.readouterr().out)["policies"]
    for other in ("local", "det", "dat"):
        assert policies["deta"]["emissions_g"][0] < policies[other]["emissions_g"][0]
    # It learns, and moving work does not lower the accuracy.
    assert all(policy["accuracy"][0] > 0.95 for policy in policies.values())
    assert invoke(["ledger", "verify", folder]) == 0


def test_a_policy_of_ones_own_runs_by_name(
    scenario: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The short policy of docs/own-policy.md, as printed there."""
    page = Path(__file__).resolve().parents[2] / "docs" / "own-policy.md"
    blocks = page.read_text(encoding="utf-8").split("```python\n")[1:]
    code = next(block for block in blocks if "class Greenest" in block).split("```")[0]
    (tmp_path / "ten_lines.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    assert invoke(["policy", "check", "ten_lines:Greenest"]) == 0
    capsys.readouterr()
    policies = "local,ten_lines:Greenest"
    arguments = [
        "compare",
        str(scenario),
        "--policies",
        policies,
        "--seeds",
        "1",
        "--output",
        "c",
        "--no-report",
    ]
    assert invoke([*arguments, "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["policies"]) == {"local", "ten_lines:Greenest"}


def test_forecasts_and_the_oracle_run_from_a_scenario(scenario: Path, tmp_path: Path) -> None:
    text = (
        SMALL
        + '[harvest]\nkind = "pv"\npeak_w = 20\n[forecast]\nkind = "gaussian"\n[coordinator]\nhorizon_slots = 3\n'
    )
    scenario.write_text(text)
    for policy in ("deta", "oracle"):
        folder = tmp_path / policy
        assert invoke(["run", str(scenario), "--policy", policy, "--output", str(folder), "--no-report"]) == 0
        status = pd.read_parquet(folder / "decisions.parquet").status
        assert not status.str.startswith("fallback").any(), status.tolist()


def test_learning_that_diverges_ends_the_run_with_a_sentence(
    scenario: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario.write_text(SMALL.replace("[task]", "[task]\nlearning_rate = 1e6"))
    assert invoke(["run", str(scenario), "--output", str(tmp_path / "run"), "--no-report"]) == 1
    said = capsys.readouterr().err
    assert "lower task.learning_rate" in said
    assert "Traceback" not in said
    assert not (tmp_path / "run" / "DONE").exists()
