"""Whole runs whose boards' clocks are chosen: joules go down by what points save; books, tables and report agree."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from edge_node.energy.boards import load_board
from edge_node.energy.power_model import PowerModel
from experiments.cli import invoke
from experiments.run_folder.verify import verify_run
from tests.scenarios import PATIENT, SMALL

POINTS = PowerModel(load_board("odroid-hc2").config()).points()
BY_CLOCK = {point.frequency_khz / 1e3: point for point in POINTS}


def run(
    folder: Path, policy: str, kind: str = "inprocess", more: str = "", report: str = "--no-report"
) -> Path:
    text = SMALL.replace('"inprocess"', f'"{kind}"').replace(
        "[fleet]", f'{more}{PATIENT}[board]\nprofile = "odroid-hc2"\n[fleet]'
    )
    (folder / "scenario.toml").write_text(text.replace("[time]", "[time]\nslot_s = 60"))
    out = folder / policy.replace("+", "-")
    arguments = ["run", str(folder / "scenario.toml"), "--policy", policy, "--output", str(out), report]
    assert invoke(arguments) == 0
    assert verify_run(out)["ok"]
    return out


def table(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(folder / f"{name}.parquet")


def test_a_slower_clock_takes_the_joules_and_seconds_of_its_point(tmp_path: Path) -> None:
    plain, clocked = run(tmp_path, "local"), run(tmp_path, "local+dvfs", report="--report")
    assert "frequency_mhz" not in table(plain, "slots")
    slots = table(clocked, "slots")
    assert (slots.operating_point > 0).any()
    assert {POINTS[k].frequency_khz / 1e3 for k in slots.operating_point} == set(slots.frequency_mhz)
    key = ["slot", "node_id"]

    def compute(folder: Path) -> pd.Series:
        lines = table(folder, "lines")
        return lines[lines.component == "compute"].groupby(key).energy_j.sum()

    both = pd.concat([compute(plain), compute(clocked)], axis=1, keys=["plain", "clocked"]).dropna()
    at = slots.set_index(key).loc[both.index]
    assert len(both) > 6
    saved = [BY_CLOCK[clock].energy_times for clock in at.frequency_mhz]
    # Joules are booked as whole microjoules: of the smallest slots that is some 1e-4 of what is compared.
    assert both.clocked.to_numpy() == pytest.approx(both.plain.to_numpy() * saved, rel=1e-6, abs=1.01e-6)
    latency = [table(folder, "serving").latency_p50_s.mean() for folder in (plain, clocked)]
    assert latency[1] > latency[0]
    assert "Operating points" in (clocked / "report.html").read_text()
    shown = pd.read_csv(clocked / "tables" / "operating_points.csv")
    assert shown.slots.sum() == len(slots)


def test_work_moves_and_clocks_are_chosen_together_and_grams_go_down(tmp_path: Path) -> None:
    # Without panels: elsewhere a joule less may be one that the sun gives.
    night = '[harvest]\nkind = "none"\n'
    plain, clocked = (run(tmp_path, policy, more=night) for policy in ("deta", "deta+dvfs"))
    grams = [table(folder, "lines").operational_g.sum() for folder in (plain, clocked)]
    assert grams[1] < grams[0]
    done = [table(folder, "slots").executed_batches.sum() for folder in (plain, clocked)]
    assert done[0] == done[1]


@pytest.mark.processes
def test_in_processes_of_their_own_the_tables_are_the_same(tmp_path: Path) -> None:
    here, there = (tmp_path / name for name in ("here", "there"))
    for folder in (here, there):
        folder.mkdir()
    one, two = run(here, "deta+dvfs"), run(there, "deta+dvfs", kind="ray")
    for name in ("slots", "lines", "decisions"):
        pd.testing.assert_frame_equal(table(one, name), table(two, name))


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"policy": "auction+dvfs"}, "nodes that negotiate offer their work at full speed"),
        ({"more": ""}, "no board of this run has operating points (raspberry-pi-4b); odroid-hc2 has"),
        ({"wall": "yes"}, "the nodes of this fleet share machines"),
    ],
)
def test_what_cannot_choose_a_clock_is_refused(
    changed: dict[str, str], why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = SMALL
    if "more" not in changed:
        text = text.replace("[fleet]", '[board]\nprofile = "odroid-hc2"\n[fleet]')
    if "wall" in changed:
        text = text.replace("[time]", '[time]\nclock = "wall"\nslot_s = 20')
    policy = changed.get("policy", "local+dvfs")
    (tmp_path / "scenario.toml").write_text(f'policy = "{policy}"\n{text}')
    assert invoke(["check", str(tmp_path / "scenario.toml")]) == 2
    assert why in " ".join(capsys.readouterr().err.split())


def test_rows_run_at_the_points_of_their_boards_as_nodes_do(tmp_path: Path) -> None:
    """No task: work is counted, and a fleet of rows has the tables of one of nodes."""
    text = """name = "rows"
policy = "deta+dvfs"
[task]
name = "none"
[demand]
busy_fraction = 0.4
[stages]
development = 4
[time]
start = 2022-06-21T08:00:00Z
[board]
profile = "odroid-hc2"
[fleet]
kind = "{kind}"
[[nodes]]
zone = "DE"
[[nodes]]
zone = "FR"
"""
    found = {}
    for kind in ("inprocess", "virtual"):
        (tmp_path / "scenario.toml").write_text(text.format(kind=kind))
        folder = tmp_path / kind
        assert invoke(["run", str(tmp_path / "scenario.toml"), "--output", str(folder), "--no-report"]) == 0
        assert verify_run(folder)["ok"]
        slots = table(folder, "slots")
        assert (slots.operating_point > 0).any()
        found[kind] = slots[
            ["slot", "node_id", "operating_point", "frequency_mhz", "demand_j", "executed_batches"]
        ]
    pd.testing.assert_frame_equal(found["inprocess"], found["virtual"], check_dtype=False, rtol=1e-9)
