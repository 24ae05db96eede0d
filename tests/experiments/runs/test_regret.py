"""Regret, fairness and time-outs of real runs; scenarios that no plan can keep."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from coordinator.market.solve import Session, Solution
from experiments.cli import invoke
from experiments.report.read import load
from experiments.report.summary import comparison_json
from experiments.resolve.foresight import whole_run
from experiments.resolve.prepare import open_scenario
from experiments.resolve.resolve import resolve
from experiments.runs.regret import (
    bound_or_reason,
    comparable_g,
    done_batches,
    only_done,
    regret_of,
    released_batches,
)


def test_no_run_is_below_the_bound_of_its_day(small_comparison: Path) -> None:
    study = load(small_comparison)
    found = comparison_json(study)
    for entry in found["policies"].values():
        for booked, comparable, bound, regret in zip(
            *(entry[key] for key in ("nodes_and_network_g", "comparable_g", "bound_g", "regret_g")),
            strict=True,
        ):
            assert regret == pytest.approx(comparable - bound)
            assert regret >= -1e-12
            assert comparable < booked  # models in the network are not in it
        assert entry["regret_note"] == [None, None]
    assert "coordinator" in found["regret"]["not_in_it"]


def test_whole_run_is_the_work_that_runs_did(small_comparison: Path, small_scenario: Path) -> None:
    run = load(small_comparison).runs["deta"][0]
    resolved = resolve(open_scenario(str(small_scenario)))
    fleet = whole_run(resolved)
    done = done_batches(run.tables, resolved.node_ids, fleet.horizon)
    np.testing.assert_array_equal(done, released_batches(fleet))
    assert comparable_g(run.tables, resolved.net_j_per_byte) > 0


def test_work_left_undone_has_a_bound_of_its_own(small_comparison: Path, small_scenario: Path) -> None:
    run = load(small_comparison).runs["local"][0]
    resolved = resolve(open_scenario(str(small_scenario)))
    fleet = whole_run(resolved)
    day = bound_or_reason(fleet)
    assert not isinstance(day, str)
    slots = run.tables["slots"]
    half = slots.assign(executed_batches=slots["executed_batches"] // 2)
    done = done_batches(run.tables | {"slots": half}, resolved.node_ids, fleet.horizon)
    smaller = bound_or_reason(only_done(fleet, done, np.zeros_like(done)))
    assert not isinstance(smaller, str)
    assert smaller.objective_g <= day.objective_g + 1e-12
    run.tables["slots"] = slots.assign(metered=False)
    unread = regret_of(resolved, run, fleet, day)
    assert unread.regret_g is None
    assert "no reading" in unread.note
    run.tables["slots"] = slots


def test_rounds_grams_and_fairness_are_stated(small_comparison: Path) -> None:
    found = comparison_json(load(small_comparison))
    assert 0 < found["target_accuracy_fraction"] <= 1
    for entry in found["policies"].values():
        assert all(1 <= rounds <= 4 for rounds in entry["rounds_to_accuracy"])
        assert all(grams > 0 for grams in entry["grams_to_accuracy_g"])
        assert all(0 < index <= 1 for index in entry["jain_index"])


@pytest.mark.parametrize(
    ("found_plan", "counted", "other"),
    [(True, "timed_out_plan", "timed_out_local"), (False, "timed_out_local", "timed_out_plan")],
    ids=["a plan was found", "no plan was found"],
)
def test_time_outs_are_counted(
    small_scenario: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    found_plan: bool,
    counted: str,
    other: str,
) -> None:
    """The first solve simulates a time-out: whether a real limit is reached depends on the machine."""
    solve, solved = Session.run, []

    def out_of_time(session: Session) -> Solution:
        found = solve(session)
        solved.append(found)
        if len(solved) > 1:
            return found
        values = found.values if found_plan else None
        return replace(
            found, values=values, optimal=False, gap_fraction=None, bound=None, message="Time limit reached"
        )

    monkeypatch.setattr(Session, "run", out_of_time)
    text = small_scenario.read_text().replace(
        "[fleet]", "[coordinator]\nhorizon_slots = 4\nsolver_time_limit_s = 60.0\n[fleet]"
    )
    path = tmp_path / "tight.toml"
    path.write_text(text)
    folder = tmp_path / "run"
    arguments = ["run", str(path), "--policy", "deta", "--output", str(folder), "--no-report", "--json"]
    assert invoke(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    counts = found["decisions"]
    assert counts[counted] == 1
    assert counts[other] == 0
    assert counts["timed_out_local"] == counts["fallback"]
    assert found["unserved_batches"] == 0


SHORT_SLOTS = """name = "short"
[time]
start = 2022-06-21T06:00:00Z
slot_s = 0.04
[stages]
preparation = 1
development = 6
application = 2
recycling = 1
[task]
name = "mnist-mlp"
data = "digits"
batches_per_slot = 2
batch_size = 8
local_epochs = 1
[inference]
batches_per_slot = 2
requests_per_batch = 4
[harvest]
kind = "pv"
peak_w = 30
[battery]
capacity_wh = 20
[fleet]
kind = "inprocess"
[[nodes]]
zone = "US-MIDA-PJM"
[[nodes]]
zone = "US-NW-SCL"
"""


def test_models_on_the_radio_are_planned_and_bound(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In slots of 40 ms a model's radio is a third of all joules: the oracle's plan and the bound include them."""
    scenario, folder = tmp_path / "short.toml", tmp_path / "runs"
    scenario.write_text(SHORT_SLOTS)
    arguments = [
        "compare",
        str(scenario),
        "--policies",
        "local,oracle",
        "--seeds",
        "1",
        "--no-report",
        "--json",
    ]
    assert invoke([*arguments, "--output", str(folder)]) == 0
    found = json.loads(capsys.readouterr().out)["policies"]
    for name in ("local", "oracle"):
        assert found[name]["regret_note"] == [None]
        assert found[name]["regret_g"][0] >= 0
    assert found["oracle"]["regret_g"][0] <= 2e-3 * found["oracle"]["bound_g"][0]
    run = load(folder).runs["local"][0]
    resolved = resolve(open_scenario(str(scenario)))
    fleet = whole_run(resolved)
    assert fleet.model_j is not None
    lines, slots = run.tables["lines"], run.tables["slots"]
    radio = lines[lines["component"].isin(["radio_tx", "radio_rx"]) & (lines["node_id"] != "devices")]
    board = run.tables["nodes"].iloc[0]
    users_j = slots["users_up_bytes"].sum() * board["rx_j_per_byte"]
    users_j += slots["users_down_bytes"].sum() * board["tx_j_per_byte"]
    # LOCAL moves nothing but models and what users send and get.
    assert radio["energy_j"].sum() == pytest.approx(fleet.model_j.sum() + users_j, rel=1e-4)
    demand_j = run.tables["slots"]["demand_j"].sum()
    assert radio["energy_j"].sum() > 0.2 * demand_j
