"""Whole runs through the command line, with the in-process fleet: real training, real ledger."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from experiments.cli import invoke
from experiments.report.read import load_run
from experiments.resolve.resolve import resolve
from experiments.scenario.model import parse_scenario
from tests.scenarios import SMALL, learning_scenario

TABLES = ("slots", "lines", "batch_flows", "energy_flows", "rounds", "nodes", "decisions")


def test_the_same_scenario_and_seed_give_the_same_tables_byte_for_byte(
    small_scenario: Path, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        assert invoke(["run", str(small_scenario), "--output", str(tmp_path / name), "--no-report"]) == 0
    for table in TABLES:
        one, two = ((tmp_path / name / f"{table}.parquet").read_bytes() for name in ("one", "two"))
        assert one == two, table


@pytest.mark.parametrize(
    ("tables", "application"),
    [
        ("", 2),
        ("[limits]\ndeadline_slots = 1", 1),
        ('[training]\nkind = "split"\ncut = "relu"', 0),
    ],
)
def test_clients_that_were_not_chosen_miss_no_batch_and_serve_their_own_requests(
    tables: str, application: int, tmp_path: Path
) -> None:
    path, folder = tmp_path / "random.toml", tmp_path / "run"
    text = learning_scenario(tables=tables, application=application, nodes=4)
    policy = 'policy = "random"\npolicy_options = { clients = 2 }'
    path.write_text(text.replace('policy = "local"', policy))
    assert invoke(["run", str(path), "-o", str(folder), "--no-report"]) == 0
    slots = pd.read_parquet(folder / "slots.parquet")
    assert slots["unserved_batches"].sum() == 0
    training = slots[slots["stage"] == "development"]
    assert training.groupby("slot")["selected"].sum().tolist() == [2, 2, 2]
    assert training.loc[~training["selected"], "executed_batches"].sum() == 0
    assert (training.loc[training["selected"], "executed_batches"] >= 3).all()
    serving = slots[slots["stage"] == "application"]
    assert (serving["executed_batches"] == serving["released_batches"]).all()
    assert len(serving) == 4 * application


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
    small_scenario: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
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
        str(small_scenario),
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


def test_forecasts_and_the_oracle_run_from_a_scenario(small_scenario: Path, tmp_path: Path) -> None:
    text = (
        SMALL
        + '[harvest]\nkind = "pv"\npeak_w = 20\n[forecast]\nkind = "gaussian"\n[coordinator]\nhorizon_slots = 3\n'
    )
    small_scenario.write_text(text)
    for policy in ("deta", "oracle"):
        folder = tmp_path / policy
        assert (
            invoke(["run", str(small_scenario), "--policy", policy, "--output", str(folder), "--no-report"])
            == 0
        )
        status = pd.read_parquet(folder / "decisions.parquet").status
        assert not status.str.startswith("fallback").any(), status.tolist()


def test_learning_that_diverges_ends_the_run_with_a_sentence(
    small_scenario: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small_scenario.write_text(SMALL.replace("[task]", "[task]\nlearning_rate = 1e6"))
    assert invoke(["run", str(small_scenario), "--output", str(tmp_path / "run"), "--no-report"]) == 1
    said = capsys.readouterr().err
    assert "lower task.learning_rate" in said
    assert "Traceback" not in said
    assert not (tmp_path / "run" / "DONE").exists()


def test_without_learning_energy_alone_is_booked(tmp_path: Path) -> None:
    text = """name = "energy"
policy = "local"
[task]
name = "none"
[stages]
development = 3
[harvest]
kind = "none"
[battery]
capacity_wh = 0.0
[demand]
kind = "constant"
peak_w = 1.5
[fleet]
kind = "inprocess"
[[nodes]]
zone = "DE"
count = 2
"""
    (tmp_path / "energy.toml").write_text(text)
    assert invoke(["run", str(tmp_path / "energy.toml"), "--output", str(tmp_path / "run")]) == 0
    tables = load_run(tmp_path / "run").tables
    board = resolve(parse_scenario(text)).boards[0]
    # By hand: 1.5 W of work and the static power, for three hours, to less than one batch of a sixtieth.
    batch_j = 60.0 * (board.busy_w - board.static_w)
    for _, rows in tables["slots"].groupby("node_id"):
        wanted_j = 3 * 3600.0 * (1.5 + board.static_w)
        assert abs(rows["demand_j"].sum() - wanted_j) < batch_j
        assert (rows["grid_j"] == rows["demand_j"]).all()
    assert tables["rounds"].empty
    assert not tables["lines"]["component"].isin(["radio_tx", "radio_rx"]).any()
    assert invoke(["ledger", "verify", str(tmp_path / "run")]) == 0
