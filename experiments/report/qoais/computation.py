"""Computation: accuracy of arithmetic, duration, and utilisation."""

from __future__ import annotations

import numpy as np
import pandas as pd

from experiments.report.provenance import joules_by_provenance, known_from, missing_fraction
from experiments.report.qoais.evidence import Evidence
from experiments.report.qoais.indicator import Dimension, Indicator, Row
from experiments.report.read import Run
from protos.messages.terms import HOLDERS


def computation(evidence: Evidence) -> list[Indicator]:
    """Indicators of Table 3's computation line."""
    return [*_accuracy(evidence), *_duration(evidence.run), *_efficiency(evidence)]


def _accuracy(evidence: Evidence) -> list[Indicator]:
    row, found = Row(Dimension.COMPUTATION, "computing accuracy"), evidence.deviation
    why, source = evidence.why.get("deviation", ""), "model.safetensors, data"
    return [
        row.maybe(
            "deviation from float64",
            None if found is None else found.relative,
            "",
            "largest |float32 - float64| output / largest |float64| output",
            source,
            why,
        ),
        row.maybe(
            "answers changed by float32",
            None if found is None else found.changed_fraction,
            "fraction",
            "answers that differ from the float64 reference / answers",
            source,
            why,
        ),
    ]


def _duration(run: Run) -> list[Indicator]:
    row = Row(Dimension.COMPUTATION, "duration")
    static = _static(run, "development")
    busy = _busy_s(run, static)
    rounds = int((run.tables["rounds"]["stage"] == "development").sum())
    total = run.timings.get("total_s")
    return [
        row.maybe(
            "computing time of a round",
            None if busy is None or not rounds else busy / rounds,
            "s",
            "slowest node's static energy of development / static power / rounds, board time",
            "lines.parquet, nodes.parquet",
            "the run has no development rounds, or boards without static power",
            known=known_from(joules_by_provenance(static), missing_fraction=missing_fraction(run)),
        ),
        row.maybe(
            "wall time of the run",
            None if total is None else float(total),
            "s",
            "total_s",
            "timings.json",
            "timings.json has no total",
            "of this machine's clock; it differs from run to run",
        ),
    ]


def _static(run: Run, stage: str) -> pd.DataFrame:
    lines = run.tables["lines"]
    return lines[(lines["stage"] == stage) & (lines["component"] == "static")]


def _busy_s(run: Run, static: pd.DataFrame) -> float | None:
    """Busy time of the busiest node over its ``static`` lines, by (L2)."""
    nodes = run.tables["nodes"]
    if static.empty or "static_w" not in nodes or not (nodes["static_w"] > 0).all():
        return None
    busy = static.groupby("node_id")["energy_j"].sum() / nodes.set_index("node_id")["static_w"]
    return float(busy.max())


def _efficiency(evidence: Evidence) -> list[Indicator]:
    row, run = Row(Dimension.COMPUTATION, "efficiency"), evidence.run
    lines = run.tables["lines"]
    own = lines[~lines["node_id"].isin(HOLDERS)]
    static = own[own["component"] == "static"]
    whole = float(static["energy_j"].sum())
    busy = float(static.loc[static["stage"] != "unallocated", "energy_j"].sum())
    training = own[own["component"].isin(["compute", "static"]) & (own["stage"] == "development")]
    joules, gaps = float(training["energy_j"].sum()), missing_fraction(run)
    flop, why = training_flop(evidence)
    peak = run.timings.get("peak_memory_bytes")
    parameters = evidence.parameters
    size = None if parameters is None else float(sum(array.nbytes for array in parameters.values()))
    return [
        row.maybe(
            "operations per joule, training",
            flop / joules if flop is not None and joules > 0 else None,
            "FLOP/J",
            "executed batches * batch size * counted FLOP * local epochs / (compute + static energy of development)",
            "slots.parquet, lines.parquet, scenario.toml",
            why or "development used no energy",
            known=known_from(joules_by_provenance(training), missing_fraction=gaps),
        ),
        row.maybe(
            "utilisation",
            busy / whole if whole > 0 else None,
            "fraction",
            "static energy of busy time / static energy: share of the awake time in which nodes worked",
            "lines.parquet",
            "boards without static power",
            known=known_from(joules_by_provenance(static), missing_fraction=gaps),
        ),
        row.maybe(
            "memory of the model",
            size,
            "byte",
            "bytes of all parameters",
            "model.safetensors",
            evidence.why.get("parameters", ""),
        ),
        row.maybe(
            "peak memory of the runner",
            None if peak is None else float(peak),
            "byte",
            "largest resident set of the process",
            "timings.json",
            "timings.json does not hold it",
            "this machine's process, not a board's",
        ),
    ]


def training_flop(evidence: Evidence) -> tuple[float | None, str]:
    """Counted operations of development, or why they cannot be told."""
    scenario, task = evidence.setting.scenario, evidence.task
    if scenario is None:
        return None, evidence.setting.reason
    if task is None:
        return None, evidence.why["task"]
    slots = evidence.run.tables["slots"]
    executed = float(np.nansum(slots.loc[slots["stage"] == "development", "executed_batches"]))
    return executed * scenario.task.batch_size * task.flop().train * scenario.task.local_epochs, ""
