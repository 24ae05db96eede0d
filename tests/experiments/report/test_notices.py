"""Notices for the reader before the figures: losses, fallbacks, baselines that were not run, balances that"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from coordinator.market.decision import WIDE_FORM
from experiments.report import units
from experiments.report.notices import notices
from experiments.report.read import load
from experiments.report.summary import comparison_json

MakeRun = Callable[..., Path]


def test_policies_are_ordered_and_absent_runs_named(make_compare: MakeRun) -> None:
    folder = make_compare(("deta", "local", "grid"), (0, 1))
    (folder / "deta-s1" / "DONE").unlink()
    (folder / "compare.json").write_text(json.dumps({"policies": {"deta": [], "dat": []}, "seeds": [0, 1]}))
    study = load(folder)
    assert study.policies == ("grid", "local", "deta")
    assert any("deta-s1" in text for text in study.absent)
    assert any("policy dat, seed 1" in text for text in study.absent)
    assert "Incomplete comparison" in {notice.title for notice in notices(study)}


def test_restarts_and_failures_are_told(make_run: MakeRun) -> None:
    folder = make_run()
    metadata = json.loads((folder / "metadata.json").read_text())
    metadata["coordinator_restarts"] = [{"exit_code": -9, "down_s": 0.4}]
    metadata["failures"] = [{"slot": 3, "node_id": "node-02", "reason": "its process was dead"}] * 2
    (folder / "metadata.json").write_text(json.dumps(metadata))
    found = {notice.title: notice.text for notice in notices(load(folder))}
    assert "DETA, seed 0: 1" in found["Coordinator restarts"]
    assert "node-02 · US-NW-GCPD, 2 slots: its process was dead" in found["Rounds continued without a node"]


def test_a_resumption_is_told_with_the_slot_that_it_cost(make_run: MakeRun) -> None:
    folder = make_run()
    metadata = json.loads((folder / "metadata.json").read_text())
    at = {"at": "2026-11-28T21:00:00+00:00"}
    metadata["resumptions"] = [at | {"slot": 2, "lost_slot": None}, at | {"slot": 5, "lost_slot": 4}]
    (folder / "metadata.json").write_text(json.dumps(metadata))
    found = {notice.level: notice.text for notice in notices(load(folder)) if notice.title == "Resumed run"}
    assert "resumed at slot 2" in found["info"]
    assert "between two slots" in found["info"]
    assert "Slot 4 was open" in found["warn"]
    assert found["warn"].endswith("counts against no limit.")
    (folder / "metadata.json").write_text(json.dumps(metadata | {"turns": 20}))
    (text,) = [notice.text for notice in notices(load(folder)) if "Slot 4" in notice.text]
    assert text.endswith("no limit, but for turns of conversations that no later slot answered.")


def test_turns_that_nobody_answered_are_named(make_run: MakeRun) -> None:
    folder = make_run()
    metadata = json.loads((folder / "metadata.json").read_text())
    turn = {
        "conversation": 4,
        "turn": 1,
        "slot": 7,
        "user_at": "node-01",
        "asked_at": "x",
        "lost_node": "node-02",
    }
    (folder / "metadata.json").write_text(json.dumps(metadata | {"turns": 20, "unanswered_turns": [turn]}))
    (text,) = [notice.text for notice in notices(load(folder)) if notice.title == "Unanswered turns"]
    assert "1 of 20 turns" in text
    assert "turn 1 of conversation 4 (slot 7, user at node-01" in text


def test_a_baseline_that_was_not_run_gives_null_and_a_notice(make_compare: MakeRun) -> None:
    study = load(make_compare(("grid", "deta"), (4,)))
    assert comparison_json(study)["policies"]["deta"]["reduction_vs_local_fraction"] is None
    titles = {notice.title for notice in notices(study)}
    assert {"LOCAL was not run", "One seed"} <= titles
    assert "GRID was not run" not in titles


def test_slots_decided_in_the_hub_form_are_told_with_their_gap(make_run: MakeRun) -> None:
    folder = make_run()
    table = folder / "decisions.parquet"
    frame = pd.read_parquet(table)
    assert "Large fleet: decided in the hub form, to a stated gap" not in {
        notice.title for notice in notices(load(folder))
    }
    frame.loc[[0, 2], "status"] = f"feasible: {WIDE_FORM} for 100 nodes: proven gap of the schedule"
    frame["gap_fraction"] = 0.0
    frame.loc[2, "gap_fraction"] = 0.034
    frame.to_parquet(table)
    (found,) = [notice for notice in notices(load(folder)) if notice.title.startswith("Large fleet")]
    assert found.level == "info"
    assert found.text == f"DETA, seed 0: 2 of {len(frame)} slots, largest gap {units.percent(0.034)}"


def test_slots_of_a_large_fleet_in_the_pairwise_form_are_told_with_the_reason(make_run: MakeRun) -> None:
    folder = make_run()
    table = folder / "decisions.parquet"
    frame = pd.read_parquet(table)
    frame["pairwise_reason"] = pd.Series([None] * len(frame), dtype=object)
    frame.loc[[0, 1], "pairwise_reason"] = "transfer cap over the horizon"
    frame.to_parquet(table)
    (found,) = [notice for notice in notices(load(folder)) if "pairwise form" in notice.title]
    assert found.text == f"DETA, seed 0: 2 of {len(frame)} slots (transfer cap over the horizon)"


def test_a_prompt_or_an_answer_of_two_nodes_is_no_failed_request(make_run: MakeRun) -> None:
    study = load(make_run())
    (run,) = study
    one = {"slot": 1, "node_id": str(run.tables["nodes"]["node_id"].iloc[0]), "wasted_j": 2.0, "failed": None}
    unread = {**one, "part": "read", "failed": "it could not be read"}
    extra = {**one, "part": None, "failed": "another node's answer counts", "extra": True}
    answers = [{**one, "part": None}, {**one, "part": None, "failed": "it died"}]
    requests = pd.DataFrame([*answers, unread, extra])
    run.tables["requests"] = requests
    (found,) = [notice.text for notice in notices(study) if notice.title == "Failed requests"]
    assert f"1 of 2 requests were not answered, and {units.joules(2.0)} of theirs" in found
    run.tables["requests"] = requests[requests["failed"] != "it died"]
    assert "Failed requests" not in {notice.title for notice in notices(study)}
