"""Connection: exchanged data, latency of answers, and losses."""

from __future__ import annotations

import numpy as np
import pandas as pd

from carbon_data.units import BITS_PER_BYTE
from experiments.report.provenance import board_time, known_of
from experiments.report.qoais.evidence import Evidence
from experiments.report.qoais.indicator import Dimension, Indicator, Row
from protos.latency import add, quantile

LOOPBACK = "nodes talk over this machine's loopback: what it shows is not a link's"


def connection(evidence: Evidence) -> list[Indicator]:
    """Indicators of Table 3's connection line. Indicators that need real links are not measured."""
    return [
        *_bandwidth(evidence),
        *_delay(evidence),
        Row(Dimension.CONNECTION, "bit error rate and jitter").lacking(
            "bit error rate", "gRPC delivers checked bytes; a damaged one shows only as a failed call"
        ),
        *_reliability(evidence),
    ]


def _bandwidth(evidence: Evidence) -> list[Indicator]:
    row, run = Row(Dimension.CONNECTION, "bandwidth and jitter"), evidence.run
    moved = run.tables["batch_flows"].query("owner != executor")["payload_bytes"]
    by_slot = run.tables["slots"].groupby("slot")["model_bytes"].sum()
    by_slot = by_slot.add(moved.groupby(run.tables["batch_flows"]["slot"]).sum(), fill_value=0.0)
    lasted_s = run.each_lasted_s
    lasted_s = lasted_s[lasted_s > 0.0]  # a missed slot of which no time was left has no rate
    rate = by_slot.reindex(lasted_s.index, fill_value=0.0) * BITS_PER_BYTE / lasted_s
    source = "slots.parquet, batch_flows.parquet"
    return [
        row.known(
            "throughput used",
            float(by_slot.sum()) * BITS_PER_BYTE / run.board_s,
            "bit/s",
            "8 (model bytes + batch payload bytes) / board time",
            source,
            board_time(run),
            "bytes counted at both ends, over board time: what the service asks of links, not what they could carry",
        ),
        row.known(
            "jitter of the throughput used",
            float(np.std(rate)),
            "bit/s",
            "standard deviation over slots",
            source,
            board_time(run),
        ),
        row.lacking("bandwidth of the links", LOOPBACK),
    ]


def _delay(evidence: Evidence) -> list[Indicator]:
    row = Row(Dimension.CONNECTION, "link delay and jitter")
    found = [row.lacking("round-trip time of the links", LOOPBACK)]
    serving = evidence.run.tables.get("serving")
    quantiles = None if serving is None else _latency(serving)
    if quantiles is None:
        found.append(
            row.lacking("latency of answers", "the run served no requests whose latency was recorded")
        )
    else:
        note = "slot time: waiting for the batch, computing on the board, travelling between nodes"
        # Computing time has the provenance of the board's joules; travelling time uses the scenario's rate of links.
        known = known_of(evidence.run, stages=("application",), has_constants=True)
        formula = "quantile of the summed latency histogram"
        for name, value in quantiles.items():
            found.append(
                row.known(f"latency of answers, {name}", value, "s", formula, "serving.parquet", known, note)
            )
        found.append(
            row.known(
                "jitter of answers",
                quantiles["p95"] - quantiles["p50"],
                "s",
                "p95 - p50 of the latency of answers",
                "serving.parquet",
                known,
            )
        )
    turns = [float(value) for value in evidence.run.timings.get("slots_s", [])]
    if len(turns) < 2:
        return [*found, row.lacking("turn-around of a slot", "timings.json has no slots")]
    note = "wall clock of this machine, computing included"
    return [
        *found,
        row.measured(
            "turn-around of a slot", float(np.mean(turns)), "s", "mean of slots_s", "timings.json", note
        ),
        row.measured(
            "jitter of the turn-around",
            float(np.std(turns, ddof=1)),
            "s",
            "standard deviation of slots_s",
            "timings.json",
            note,
        ),
    ]


def _latency(serving: pd.DataFrame) -> dict[str, float] | None:
    """p50, p95, p99 over nodes and slots, from added histograms; None without answers."""
    if "latency_bins" not in serving:
        return None
    counts = add(
        dict(zip(map(int, bins), map(int, numbers), strict=True))
        for bins, numbers in zip(serving["latency_bins"], serving["latency_counts"], strict=True)
    )
    found = {name: quantile(counts, q) for name, q in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))}
    return {k: v for k, v in found.items() if v is not None} or None


def _reliability(evidence: Evidence) -> list[Indicator]:
    row, run = Row(Dimension.CONNECTION, "reliability"), evidence.run
    slots, flows = run.tables["slots"], run.tables["energy_flows"]
    failures = run.metadata.get("failures")
    return [
        row.measured(
            "node-slots metered",
            float(slots["metered"].mean()),
            "fraction",
            "node-slots with a reading / all node-slots",
            "slots.parquet",
        ),
        row.maybe(
            "work messages without an answer",
            None if failures is None else len(failures) / len(slots),
            "fraction",
            "failures / node-slots",
            "metadata.json",
            "the metadata does not list failures",
        ),
        row.maybe(
            "energy transfers void",
            float((flows["status"] == "void").mean()) if len(flows) else None,
            "fraction",
            "void transfers / decided transfers",
            "energy_flows.parquet",
            "no transfer was decided in this run",
        ),
    ]
