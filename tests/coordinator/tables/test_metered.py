"""A sensor's interval, rate and coverage in the tables: shares of a reading, sums over a run, and nulls."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from coordinator.ledger import verify
from coordinator.policies.registry import make_policy
from coordinator.tables.export import ledger_tables
from coordinator.tables.metered import line_columns, reading_columns
from protos.messages.slot import Metered, Usage
from protos.messages.terms import MeterKind

START = datetime(2024, 6, 1, tzinfo=UTC)


def sensed(usage: Usage, kind: MeterKind = MeterKind.POWER) -> Usage:
    """The reading as a sensor would have given it: 1 % of its energy on either side, a fifth of that its step."""
    total = sum(line.energy_uj for line in usage.lines)
    widths = (None, None) if kind is MeterKind.ESTIMATE else (total // 100, total // 500)
    lines = tuple(dataclasses.replace(line, provenance=str(kind.provenance)) for line in usage.lines)
    metered = Metered(kind, total, *widths, 99.5, 0.97, 1, 1.02)
    return dataclasses.replace(usage, lines=lines, metered=metered)


@pytest.fixture
def tables(tmp_path: Path, kit: Any) -> dict[str, pd.DataFrame]:
    """n00 has a power sensor, n01 an estimate, n02 none; n03 none in the first slot and a counter in the second."""
    bench = kit.Bench(kit.make_config(tmp_path, nodes=4), make_policy("local"))
    kinds = {"n00": MeterKind.POWER, "n01": MeterKind.ESTIMATE, "n03": MeterKind.COUNTER}
    for name, kind in kinds.items():
        _listen(bench.nodes[name], kind, since=1 if name == "n03" else 0)
    bench.join()
    for slot in range(2):
        bench.run_slot(slot)
    bench.close()
    report = verify(bench.config.ledger_path)
    assert report.ok, report.findings
    return ledger_tables(bench.config.ledger_path, start=START, trace_step_s=3600.0)


def _listen(node: Any, kind: MeterKind, since: int) -> None:
    say = node.say
    node.say = lambda m: say(sensed(m, kind) if isinstance(m, Usage) and m.slot >= since else m)


def test_a_slot_has_the_interval_of_its_reading(tables: dict[str, pd.DataFrame]) -> None:
    slots = tables["slots"].set_index(["node_id", "slot"])
    first = slots.loc[("n00", 0)]
    assert first["demand_half_width_j"] == pytest.approx(first["demand_j"] / 100, rel=1e-6)
    assert first["demand_bias_j"] == pytest.approx(first["demand_j"] / 500, rel=1e-6)
    told = first[["meter_rate_hz", "meter_coverage_fraction", "meter_gaps", "meter_window_s"]]
    assert told.tolist() == [99.5, 0.97, 1, 1.02]
    kinds = {key: slots.loc[key, "meter_kind"] for key in slots.index}
    assert [kinds[f"n0{n}", 0] for n in range(4)] == ["power", "estimate", "modelled", "modelled"]
    assert kinds["n03", 1] == "counter"


def test_what_is_not_known_is_null_and_never_zero(tables: dict[str, pd.DataFrame]) -> None:
    slots = tables["slots"].set_index(["node_id", "slot"])
    estimate, modelled = slots.loc[("n01", 0)], slots.loc[("n02", 0)]
    assert pd.isna(estimate["demand_half_width_j"])
    assert estimate["meter_coverage_fraction"] == 0.97
    for column in ("demand_half_width_j", "demand_bias_j", "meter_rate_hz", "meter_gaps", "meter_window_s"):
        assert pd.isna(modelled[column]), column
    lines = tables["lines"]
    shared = lines[lines["node_id"].isin(["network", "coordinator", "router", "n02"])]
    assert shared[["half_width_j", "bias_j", "coverage_fraction"]].isna().all(axis=None)
    assert lines.loc[lines["node_id"] == "n01", "half_width_j"].isna().all()
    assert (lines.loc[lines["node_id"] == "n01", "provenance"] == "modelled").all()


def test_lines_share_the_interval_of_their_reading(tables: dict[str, pd.DataFrame]) -> None:
    own = tables["lines"].query("node_id == 'n00'").groupby("slot")[["half_width_j", "bias_j"]].sum()
    slots = tables["slots"].query("node_id == 'n00'").set_index("slot")
    assert own["half_width_j"].tolist() == pytest.approx(slots["demand_half_width_j"].tolist(), rel=1e-9)
    assert own["bias_j"].tolist() == pytest.approx(slots["demand_bias_j"].tolist(), rel=1e-9)


def test_over_a_run_steps_add_up_and_noise_averages_out(tables: dict[str, pd.DataFrame]) -> None:
    nodes = tables["nodes"].set_index("node_id")
    slots = tables["slots"].query("node_id == 'n00'")
    noise = (slots["demand_half_width_j"] ** 2 - slots["demand_bias_j"] ** 2).sum()
    wanted = (noise + slots["demand_bias_j"].sum() ** 2) ** 0.5
    assert nodes.loc["n00", "demand_half_width_j"] == pytest.approx(wanted, rel=1e-9)
    assert nodes["interval_slots"].to_dict() == {"n00": 2, "n01": 0, "n02": 0, "n03": 1}
    assert nodes.loc[["n01", "n02", "n03"], "demand_half_width_j"].isna().all()  # n03: one slot of two


def test_a_ledger_of_before_says_what_it_knows() -> None:
    old = {"lines": [{"provenance": "modelled"}, {"provenance": "measured"}]}
    assert reading_columns(old) == {"meter_kind": "measured and modelled"}
    assert reading_columns({"lines": []}) == {"meter_kind": None}
    assert line_columns(old, 5) == line_columns(None, 5) == (None, None, None)
