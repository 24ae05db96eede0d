"""Whole runs in which a process really sleeps: what is claimed is what was done."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from experiments.fleet.inprocess import InProcessFleet
from experiments.report.notices import notices
from experiments.report.read import load
from experiments.report.tables import nodes as nodes_table
from experiments.resolve.resolve import resolve
from experiments.run_folder.verify import verify_run
from experiments.runs.run import execute
from experiments.scenario.model import parse_scenario
from tests.edge_node.actuators.workers import is_running, is_stopped, python, resume, stop, worker

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="states of processes are read in /proc"),
]
SCENARIO = """policy = "deta"
[task]
name = "none"
[stages]
preparation = 0
development = 8
application = 0
recycling = 0
[time]
start = 2022-06-21T20:00:00Z
[limits]
may_sleep = true
deadline_slots = 2
offload_cap_fraction = 0.0
[tolerance]
unserved_fraction = 1.0
[demand]
busy_fraction = 0.1
[fleet]
kind = "inprocess"
[[nodes]]
zone = "DE"
[nodes.sleep]
kind = "command"
down = {down}
up = {up}
ready = {ready}
time_limit_s = 60
[[nodes]]
zone = "DE"
[nodes.sleep]
kind = "none"
"""


def run(folder: Path, down: tuple[str, ...], up: tuple[str, ...], ready: tuple[str, ...]) -> Path:
    words = {name: json.dumps(list(value)) for name, value in (("down", down), ("up", up), ("ready", ready))}
    resolved = resolve(parse_scenario(SCENARIO.format(**words)))
    (warning,) = resolved.warnings
    assert "of 2 nodes 1 cannot sleep: n1." in warning
    with InProcessFleet() as fleet:
        return execute(resolved, folder / "run", fleet)


def tables(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    slots, lines, nodes = (
        pd.read_parquet(folder / f"{name}.parquet") for name in ("slots", "lines", "nodes")
    )
    return slots, lines, nodes


def test_a_process_sleeps_where_that_is_claimed_and_its_wake_ups_are_measured(tmp_path: Path) -> None:
    with worker() as pid:
        folder = run(tmp_path, stop(pid), resume(pid), is_running(pid))
        assert not is_stopped(pid)  # left awake
    assert verify_run(folder)["findings"] == []
    slots, lines, nodes = tables(folder)
    assert nodes["sleep"].tolist() == ["command", "none"]
    first, second = (slots[slots["node_id"] == name].sort_values("slot") for name in ("n0", "n1"))
    assert second["awake"].all()
    assert not first["awake"].all()
    asleep = set(first.loc[~first["awake"], "slot"])
    assert set(lines.loc[lines["component"] == "sleep", "slot"]) == asleep
    woken = set(first.loc[first["wake_s"].notna(), "slot"])
    assert woken == {slot for slot in set(first["slot"]) - asleep if slot - 1 in asleep}
    assert woken
    assert (first["wake_s"].dropna() > 0).all()
    assert slots["sleep_failed"].isna().all()
    shown = nodes_table(load(folder))
    assert {column.label for column in shown.columns} >= {"sleep", "wake-ups", "mean wake-up"}
    assert shown.frame.set_index("node_id")["wake_ups"].to_dict() == {"n0": len(woken), "n1": 0}


def test_sleep_that_fails_is_named_and_never_claimed(tmp_path: Path) -> None:
    failing = python("import sys; sys.exit('no such governor')")
    folder = run(tmp_path, failing, python(""), python(""))
    assert verify_run(folder)["findings"] == []
    slots, lines, _ = tables(folder)
    assert slots["awake"].all()
    assert "sleep" not in set(lines["component"])
    failed = slots["sleep_failed"].dropna()
    assert len(failed) > 0
    assert failed.str.contains("down = .*no such governor").all()
    (notice,) = [each for each in notices(load(folder)) if each.title == "Sleep that failed"]
    assert "n0 · DE in" in notice.text
    assert "booked as awake" in notice.text
