"""Tables from a ledger: booked figures, gaps as nulls, reproducible bytes."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from coordinator.ledger.verify import verify
from coordinator.policies.registry import make_policy
from coordinator.tables.export import export_tables, ledger_tables
from protos.messages.runner import BeginSlot, EndSlot
from protos.messages.slot import SleepReport
from protos.messages.terms import Sleep, Stage

START = datetime(2024, 6, 1, tzinfo=UTC)
COLUMNS = {
    "slots": "slot time stage node_id zone intensity_g_per_kwh alive awake metered demand_j grid_j green_j "
    "harvest_j charge_j charge_loss_j discharge_j discharge_loss_j self_discharge_j export_j import_j "
    "curtailed_j battery_before_j battery_after_j released_batches executed_batches guest_batches "
    "offloaded_batches unserved_batches tokens_in tokens_out bits requests model_bytes operational_g",
    "lines": "slot node_id zone stage component energy_j grid_j operational_g provenance",
    "batch_flows": "slot owner executor batches payload_bytes",
    "energy_flows": "slot donor recipient sent_j received_j status",
    "nodes": "node_id zone static_w demand_j grid_j operational_g tokens_in tokens_out bits executed_batches "
    "tree_node_bit_per_j ee_node_bit_per_j",
    "decisions": "slot status gap_fraction objective_g",
    "serving": "slot node_id requests tokens_in tokens_out latency_p50_s latency_p95_s latency_p99_s "
    "deadline_misses unserved_requests energy_j operational_g joules_per_request joules_per_token "
    "grams_per_1000_tokens",
}


def run(folder: Path, kit: Any, silent_in: int | None = 2) -> Any:
    bench = kit.Bench(kit.make_config(folder, nodes=4), make_policy("deta"))
    bench.join()
    summaries = []
    for slot in range(4):
        if slot == silent_in:
            bench.coordinator.begin_slot(BeginSlot(slot, Stage.DEVELOPMENT, 1.0))
            bench.mute = {"n03"}
            summaries.append(bench.coordinator.end_slot(EndSlot(slot, 1.0)))
            bench.now += 50.0
            bench.join("n00", "n01", "n02")
        else:
            summaries.append(bench.run_slot(slot))
    bench.close()
    return bench, summaries


@pytest.fixture
def made(tmp_path: Path, kit: Any) -> Any:
    bench, summaries = run(tmp_path, kit)
    tables = ledger_tables(bench.config.ledger_path, start=START, trace_step_s=3600.0)
    return bench, summaries, tables


def test_tables_have_the_named_columns(made: Any) -> None:
    _, _, tables = made
    for name, columns in COLUMNS.items():
        assert set(columns.split()) <= set(tables[name].columns), name
    assert len(tables["slots"]) == 4 * 4
    assert str(tables["slots"]["time"].dtype).endswith("UTC]")
    assert tables["slots"]["time"].iloc[-1] == pd.Timestamp("2024-06-01T03:00Z")


def test_what_sleep_is_stands_beside_the_nodes_where_it_is_not_the_model_s(tmp_path: Path, kit: Any) -> None:
    bench = kit.Bench(kit.make_config(tmp_path, nodes=3), make_policy("local"))
    for stub, kind in zip(bench.nodes.values(), (Sleep.NONE, Sleep.COMMAND, Sleep.MODELLED), strict=True):
        stub.profile = dataclasses.replace(stub.profile, sleep=kind)
    bench.join()
    bench.run_slot(0)
    bench.close()
    tables = ledger_tables(bench.config.ledger_path, start=START, trace_step_s=3600.0)
    assert tables["nodes"]["sleep"].tolist() == ["none", "command", "modelled"]


def test_what_boards_did_stands_in_the_slots(tmp_path: Path, kit: Any) -> None:
    """Slot 0: n00 sleeps, n01 cannot be put to sleep. Slot 1: n00 wakes, read; n01 wakes, not read."""
    bench = kit.Bench(kit.make_config(tmp_path, nodes=2, slots=2), make_policy("local"))
    for stub in bench.nodes.values():
        stub.release = 0
        stub.profile = dataclasses.replace(stub.profile, sleep=Sleep.COMMAND)
    read = SleepReport(False, "", 2.5, 7_000_000, 250_000, "measured")
    bench.nodes["n00"].slept = {0: SleepReport(True), 1: read}
    bench.nodes["n01"].slept = {0: SleepReport(False, "no such governor"), 1: SleepReport(False, "", 3.5)}
    bench.join()
    for slot in range(2):
        bench.run_slot(slot)
    bench.close()
    assert verify(bench.config.ledger_path).findings == []
    tables = ledger_tables(bench.config.ledger_path, start=START, trace_step_s=3600.0)
    rows = tables["slots"].set_index(["slot", "node_id"])
    assert rows["awake"].to_dict() == {
        (0, "n00"): False,
        (0, "n01"): True,
        (1, "n00"): True,
        (1, "n01"): True,
    }
    assert rows["sleep_failed"].dropna().to_dict() == {(0, "n01"): "no such governor"}
    assert rows["wake_s"].dropna().to_dict() == {(1, "n00"): 2.5, (1, "n01"): 3.5}
    assert rows["wake_j"].dropna().to_dict() == {(1, "n00"): 7.0}
    assert rows["wake_half_width_j"].dropna().to_dict() == {(1, "n00"): 0.25}
    assert rows["wake_provenance"].dropna().to_dict() == {(1, "n00"): "measured"}


def test_lines_sum_to_the_summaries_of_the_coordinator(made: Any) -> None:
    _, summaries, tables = made
    by_slot = tables["lines"].groupby("slot")[["energy_j", "grid_j", "operational_g"]].sum()
    for summary in summaries:
        assert by_slot.loc[summary.slot, "operational_g"] == pytest.approx(
            summary.emissions_pg / 1e12, rel=1e-12
        )
        assert by_slot.loc[summary.slot, "grid_j"] == pytest.approx(summary.grid_uj / 1e6, rel=1e-12)
        assert by_slot.loc[summary.slot, "energy_j"] == pytest.approx(summary.demand_uj / 1e6, rel=1e-12)
    assert {"network", "coordinator", "router"} <= set(tables["lines"]["node_id"])


def test_slots_balance_and_agree_with_flows(made: Any) -> None:
    _, summaries, tables = made
    slots = tables["slots"][tables["slots"]["metered"]]
    assert ((slots["grid_j"] + slots["green_j"] - slots["demand_j"]).abs() < 1e-6).all()
    into = slots["harvest_j"] + slots["discharge_j"] + slots["import_j"]
    out = slots["green_j"] + slots["charge_j"] + slots["export_j"] + slots["curtailed_j"]
    assert ((into - out).abs() < 1e-6).all()
    flows = tables["energy_flows"]
    assert (flows["sent_j"] >= flows["received_j"]).all()
    assert flows["sent_j"].sum() == pytest.approx(slots["export_j"].sum())
    assert flows["received_j"].sum() == pytest.approx(slots["import_j"].sum())
    for summary in summaries:
        rows = tables["slots"][tables["slots"]["slot"] == summary.slot]
        assert rows["executed_batches"].sum() == summary.executed_batches
        assert rows["offloaded_batches"].sum() == summary.moved_batches
        assert rows["unserved_batches"].sum() == summary.unserved_batches
    moved = tables["batch_flows"]["batches"].sum()
    assert moved == tables["slots"]["offloaded_batches"].sum() > 0
    assert (tables["batch_flows"]["owner"] != tables["batch_flows"]["executor"]).all(), (
        "none for work at home"
    )
    assert (tables["batch_flows"]["payload_bytes"] == 1000 * tables["batch_flows"]["batches"]).all()


def test_gap_is_null_and_never_zero(made: Any) -> None:
    _, _, tables = made
    slots = tables["slots"].set_index(["slot", "node_id"])
    silent, dead = slots.loc[(2, "n03")], slots.loc[(3, "n03")]
    assert silent["alive"]
    assert not silent["metered"]
    assert not dead["alive"]
    for row in (silent, dead):
        for column in ("demand_j", "grid_j", "operational_g", "tokens_in", "tokens_out", "executed_batches"):
            assert pd.isna(row[column]), column
    nodes = tables["nodes"].set_index("node_id")
    assert nodes.loc["n03", "unmetered_slots"] == 2
    assert nodes.loc["n00", "unmetered_slots"] == 0
    totals = tables["slots"].groupby("node_id")[["demand_j", "grid_j", "tokens_in", "tokens_out"]].sum()
    for column in totals.columns:
        assert nodes[column].astype(float).to_dict() == pytest.approx(totals[column].astype(float).to_dict())


def test_same_run_gives_the_same_bytes(tmp_path: Path, kit: Any) -> None:
    written = []
    for name in ("a", "b"):
        bench, _ = run(tmp_path / name, kit)
        paths = export_tables(bench.config.ledger_path, tmp_path / name, start=START, trace_step_s=3600.0)
        assert set(paths) == set(COLUMNS)
        written.append({key: path.read_bytes() for key, path in paths.items()})
    for key in COLUMNS:
        assert written[0][key] == written[1][key], key


def test_unfinished_run_exports_as_far_as_it_came(tmp_path: Path, kit: Any) -> None:
    bench = kit.Bench(kit.make_config(tmp_path), make_policy("local"))
    bench.join()
    bench.run_slot(0)
    bench.coordinator.begin_slot(BeginSlot(1, Stage.DEVELOPMENT, 1.0))
    tables = ledger_tables(bench.config.ledger_path, start=START, trace_step_s=3600.0)
    slots = tables["slots"]
    assert slots["metered"].tolist() == [True] * 3 + [False] * 3
    assert slots["demand_j"].isna().tolist() == [False] * 3 + [True] * 3
    bench.close()


def test_only_slots_that_train_are_rounds_a_node_took_part_in(tmp_path: Path, kit: Any) -> None:
    """Of five slots two train; in the second n01 has no work, and takes no part."""
    stages = (
        Stage.PREPARATION,
        Stage.DEVELOPMENT,
        Stage.APPLICATION,
        Stage.RECYCLING,
        Stage.APPLICATION,
    )
    bench = kit.Bench(kit.make_config(tmp_path, nodes=2, stages=stages), make_policy("local"))
    bench.join()
    for slot, stage in enumerate(stages):
        bench.nodes["n01"].release = 0 if slot == 2 else 6  # telemetry of the slot after
        bench.run_slot(slot, stage)
    books = bench.coordinator.service.books
    assert [books.nodes[node].participations for node in ("n00", "n01")] == [2, 1]
    bench.close()
    tables = ledger_tables(bench.config.ledger_path, start=START, trace_step_s=3600.0)
    assert tables["nodes"].set_index("node_id")["participations"].to_dict() == {"n00": 2, "n01": 1}


def test_what_was_decided_sent_and_received_are_three_figures(tmp_path: Path, kit: Any) -> None:
    """n00 harvests less than it was expected to, and its battery is empty: it sends what it has."""
    bench = kit.Bench(kit.make_config(tmp_path, nodes=4), make_policy("deta"), battery_uj=0)
    bench.join()
    bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    decided = bench.coordinator.service.books.slots[0].transfers
    donor = decided[0].donor
    bench.nodes[donor].harvest = lambda slot: decided[0].energy_uj // 3
    bench.coordinator.end_slot(EndSlot(0, 1.0))
    outcome = bench.coordinator.service.books.slots[0].trade
    bench.close()
    flows = ledger_tables(bench.config.ledger_path, start=START, trace_step_s=3600.0)["energy_flows"]
    names = ("decided", "sent", "received")
    for index, transfer in enumerate(outcome):
        row, expected = flows.iloc[index], [getattr(transfer, f"{name}_uj") / 1e6 for name in names]
        assert [row[f"{name}_j"] for name in names] == expected
        if transfer.donor == donor:
            assert 0 < expected[2] < expected[1] < 0.4 * expected[0]


def test_batches_run_twice_are_waste_of_the_node_that_reports_them_later(tmp_path: Path, kit: Any) -> None:
    """Owners took their parcels back although the executors had them: both ran them, and executors report first."""
    bench = kit.Bench(kit.make_config(tmp_path, nodes=4), make_policy("deta"))
    bench.join()
    plan = bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    order = [decision.node_id for decision in plan.decisions]
    expected = dict.fromkeys(bench.nodes, 0)
    for decision in plan.decisions:
        moved = sum(send.batches for send in decision.sends)
        assert all(order.index(send.executor) < order.index(decision.node_id) for send in decision.sends)
        stub = bench.nodes[decision.node_id]
        stub.decisions[0] = dataclasses.replace(decision, own_batches=decision.own_batches + moved)
        expected[decision.node_id] = moved
    summary = bench.coordinator.end_slot(EndSlot(0, 1.0))
    bench.close()
    nodes = ledger_tables(bench.config.ledger_path, start=START, trace_step_s=3600.0)["nodes"]
    assert nodes.set_index("node_id")["wasted_batches"].to_dict() == expected
    assert max(expected.values()) > 0
    assert nodes["executed_batches"].sum() == summary.executed_batches == 4 * 6
