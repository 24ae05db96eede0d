"""QoAIS of real runs: all seven dimensions, no invented values, reproducible."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from edge_node.tasks.evaluation import evaluate
from edge_node.tasks.registry import find_task
from experiments.cli import invoke
from experiments.report.html import write_report
from experiments.report.qoais.connection import connection
from experiments.report.qoais.evaluation import answers
from experiments.report.qoais.indicator import Dimension
from experiments.report.qoais.performance import _training_time
from experiments.report.qoais.report import qoais_of
from tests.experiments.report.by_hand import make_run
from tests.scenarios import learning_scenario


@pytest.fixture(scope="module")
def found(small_comparison: Path) -> dict[str, Any]:
    return qoais_of(small_comparison)


def values(found: dict[str, Any], policy: str = "deta") -> dict[str, Any]:
    return {one["name"]: one["value"] for one in found["qoais"][policy]["indicators"]}


def test_all_lines_of_table_3_and_carbon_are_there(found: dict[str, Any]) -> None:
    entries = found["qoais"]["deta"]["indicators"]
    assert {one["dimension"] for one in entries} == {dimension.value for dimension in Dimension}
    lines = {one["table3"] for one in entries if one["dimension"] != "carbon"}
    table3 = """boundary of performance metrics; training time; generalization; reusability; robustness;
    interpretability; consistency between loss function and optimization objectives; fairness; bandwidth and jitter;
    link delay and jitter; bit error rate and jitter; reliability; feature redundancy; completeness; data accuracy;
    time-consuming data preparation; sample space balance; sample distribution dynamics; computing accuracy; duration;
    efficiency; information confidentiality; data/algorithm privacy levels; data authenticity; traceability;
    level of autonomy"""
    assert lines == {" ".join(name.split()) for name in table3.split(";")}
    assert len({one["name"] for one in entries}) == len(entries)
    for one in entries:
        assert one["formula"] or one["note"] or one["source"], one["name"]
    json.dumps(found, allow_nan=False)


def test_what_is_measured_agrees_with_the_tables(found: dict[str, Any], small_comparison: Path) -> None:
    value = values(found)
    rounds = pd.read_parquet(small_comparison / "deta-s0" / "rounds.parquet")
    metadata = json.loads((small_comparison / "deta-s0" / "metadata.json").read_text())
    development = rounds[rounds.stage == "development"]
    accuracies = [
        json.loads((small_comparison / f"deta-s{s}" / "metadata.json").read_text())["final_accuracy"]
        for s in (0, 1)
    ]
    assert value["held-out accuracy, min"] == min(accuracies)
    assert value["held-out accuracy, max"] == max(accuracies)
    assert value["held-out accuracy, mean"] == pytest.approx(np.mean(accuracies))
    assert value["development time"] == pytest.approx(4 * metadata["slot_s"])
    assert value["accuracy on the second task"] == rounds[rounds.stage == "recycling"].test_accuracy.iloc[-1]
    assert value["emissions to 95% accuracy"] in [None, *development.cumulative_g]
    assert value["shares whose digest holds"] == 1.0
    assert value["training examples held"] == 1.0
    assert value["actions in the chained log"] == 1.0
    assert value["findings against the log"] == 0.0
    assert value["Jain's index of participation"] == pytest.approx(1.0)
    assert 0 <= value["deviation from float64"] < 1e-4
    assert 0 < value["utilisation"] <= 1
    assert value["accuracy under noise 1"] <= value["accuracy under noise 0.1"] + 0.05
    assert value["reduction against GRID"] > value["reduction against LOCAL"] > 0
    worst, best = value["recall of the worst class"], value["recall of the best class"]
    assert worst <= value["accuracy of the worst node"] <= best


def test_the_stored_model_is_the_one_whose_accuracy_the_run_states(small_comparison: Path) -> None:
    folder = small_comparison / "deta-s0"
    tensors = load_file(folder / "model.safetensors")
    assert {name.split("/")[0] for name in tensors} == {"development", "recycling"}
    model = {n.removeprefix("development/"): t for n, t in tensors.items() if n.startswith("development/")}
    accuracy = evaluate("mnist-mlp", "digits", model).accuracy
    assert accuracy == json.loads((folder / "metadata.json").read_text())["final_accuracy"]
    task = find_task("mnist-mlp")
    own = answers(task, model, task.dataset("digits").test)
    assert own.accuracy == pytest.approx(accuracy)
    counts = np.bincount(own.classes)
    assert float(np.sum(own.recall(10) * counts) / counts.sum()) == pytest.approx(accuracy)


def test_the_model_repeats_byte_for_byte(
    small_scenario: Path, small_comparison: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    assert invoke(["run", str(small_scenario), "--output", str(again), "--no-report"]) == 0
    first = small_comparison / "deta-s0"
    for name in ("model.safetensors", "rounds.parquet", "lines.parquet"):
        assert (again / name).read_bytes() == (first / name).read_bytes(), name


def test_what_a_folder_lacks_is_said_not_invented(small_comparison: Path, tmp_path: Path) -> None:
    folder = tmp_path / "poor"
    shutil.copytree(small_comparison / "deta-s0", folder)
    for name in ("model.safetensors", "ledger.sqlite", "timings.json", "scenario.toml"):
        (folder / name).unlink()
    entries = {one["name"]: one for one in qoais_of(folder)["qoais"]["deta"]["indicators"]}
    for name in (
        *[
            "recall of the worst class",
            "accuracy under noise",
            "deviation from float64",
            "memory of the model",
        ],
        *[
            "actions in the chained log",
            "autonomy",
            "wall time of the run",
            "embodied emissions",
            "class entropy",
        ],
    ):
        assert entries[name]["status"] == "not measured", name
        assert entries[name]["value"] is None
        assert entries[name]["note"]


def test_nothing_that_rests_on_joules_or_board_time_is_called_measured_under_a_modelled_meter(
    found: dict[str, Any],
) -> None:
    entries = {one["name"]: one for one in found["qoais"]["deta"]["indicators"]}
    given = {name: one for name, one in entries.items() if one["value"] is not None}
    assert {one["status"] for one in given.values() if one["dimension"] == "carbon"} == {"modelled"}
    for name in (
        *["development time", "throughput used", "latency of answers, p95", "computing time of a round"],
        *["operations per joule, training", "utilisation", "preparation time"],
    ):
        assert given[name]["status"] == given[name]["reading"] == "modelled", name
    for name in ("held-out accuracy, mean", "turn-around of a slot", "memory of the model", "decisions"):
        assert given[name]["status"] == "measured", name
    assert found["lifecycle"]["runs"][0]["reading"]["text"] == "modelled"


def test_labels_turn_with_the_meter_of_the_bookings(small_comparison: Path, tmp_path: Path) -> None:
    """One metered node: mixed, with its share; all metered: measured, but for what constants give."""
    folder = tmp_path / "metered"
    shutil.copytree(small_comparison / "deta-s0", folder)
    lines = pd.read_parquet(folder / "lines.parquet")
    lines.loc[lines["node_id"] == "n0", "provenance"] = "measured"
    lines.to_parquet(folder / "lines.parquet", index=False)
    share = lines.loc[lines["node_id"] == "n0", "energy_j"].sum() / lines["energy_j"].sum()
    entries = {one["name"]: one for one in qoais_of(folder)["qoais"]["deta"]["indicators"]}
    emitted = entries["operational emissions"]
    assert emitted["status"] == "mixed"
    assert emitted["reading"].replace("\u202f", " ") == (
        f"measured and modelled, {100 * share:.1f} % of joules measured"
    )
    lines.assign(provenance="measured").to_parquet(folder / "lines.parquet", index=False)
    entries = {one["name"]: one for one in qoais_of(folder)["qoais"]["deta"]["indicators"]}
    assert entries["operational emissions"]["status"] == entries["utilisation"]["status"] == "measured"
    assert entries["embodied emissions"]["status"] == "modelled"
    assert entries["SCI per run"]["status"] == "mixed"
    assert entries["latency of answers, p95"]["status"] == "mixed"  # the rate of links is the scenario's


def test_a_damaged_share_is_noticed(small_comparison: Path, tmp_path: Path) -> None:
    folder = tmp_path / "changed"
    shutil.copytree(small_comparison / "deta-s0", folder)
    nodes = pd.read_parquet(folder / "nodes.parquet")
    nodes.loc[0, "data_digest"] = "0" * 64
    nodes.to_parquet(folder / "nodes.parquet", index=False)
    assert values(qoais_of(folder))["shares whose digest holds"] == pytest.approx(2 / 3)


def test_the_command_and_the_page_show_it(
    small_comparison: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(small_comparison / "deta-s0", folder)
    capsys.readouterr()
    assert invoke(["qoais", str(folder), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert set(printed) == {"run", "qoais", "lifecycle"}
    assert invoke(["qoais", str(folder)]) == 0
    assert "performance" in capsys.readouterr().out
    assert invoke(["qoais", str(tmp_path / "nowhere")]) == 2
    page = write_report(folder).read_text(encoding="utf-8")
    for text in ('id="qoais"', "Software carbon intensity", "no marginal source for these zones", "Emilsson"):
        assert text in page, text
    assert (folder / "tables" / "qoais_carbon.csv").exists()


def test_times_on_the_wall_clock_are_as_boards_measured_them() -> None:
    """Slots planned for an hour: development took three hours, the next slot was missed whole, application took two."""
    lasted_s = {0: 10_800.0, 1: 0.0, 2: 7200.0}
    stages = {0: "development", 1: "development", 2: "application"}
    run = make_run()
    slots = pd.DataFrame([{"slot": k, "node_id": f"n{n}"} for k in lasted_s for n in (0, 1)])
    slots = slots.assign(
        duration_s=slots["slot"].map(lasted_s), stage=slots["slot"].map(stages), metered=True, model_bytes=0
    )
    slots.loc[slots["slot"] != 1, "model_bytes"] = 9000
    run.tables["slots"] = slots
    run.tables["rounds"] = pd.DataFrame({"slot": [0], "stage": ["development"], "test_accuracy": [0.99]})
    run.tables["batch_flows"] = pd.DataFrame(columns=["slot", "owner", "executor", "payload_bytes"])
    run.tables["energy_flows"] = pd.DataFrame(columns=["status"])
    evidence: Any = SimpleNamespace(run=run)
    found = {one.name: one for one in (*_training_time(evidence), *connection(evidence))}
    assert found["development time"].value == 10_800.0
    assert found["time to 95% held-out accuracy"].value == 10_800.0
    assert found["throughput used"].value == pytest.approx(2 * 2 * 9000 * 8 / 18_000.0)
    rates = np.array([2 * 9000 * 8 / 10_800.0, 2 * 9000 * 8 / 7200.0])  # a slot without time has no rate
    assert found["jitter of the throughput used"].value == pytest.approx(rates.std())
    assert {found[name].status.value for name in ("development time", "throughput used")} == {"measured"}


def test_nodes_with_columns_have_no_shares_that_could_be_judged(tmp_path: Path) -> None:
    """They have all examples: three times the training set is no share of it, and their digests are of columns."""
    made = tmp_path / "run"
    path = tmp_path / "vertical.toml"
    path.write_text(
        learning_scenario("", fleet='kind = "inprocess"', nodes=3, tables='[training]\nkind = "vertical"')
    )
    assert invoke(["run", str(path), "-o", str(made), "--no-report"]) == 0
    found = qoais_of(made)
    entries = {one["name"]: one for one in found["qoais"]["local"]["indicators"]}
    for name in ("shares whose digest holds", "training examples held", "class entropy", "drift"):
        assert entries[name]["value"] is None, name
        assert "columns of the same examples" in entries[name]["note"]
    assert 0 <= entries["recall of the worst class"]["value"] <= 1
