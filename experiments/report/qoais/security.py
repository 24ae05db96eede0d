"""Security: confidentiality, privacy, and integrity of data and ledger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from experiments.report.qoais.evidence import Evidence
from experiments.report.qoais.indicator import Dimension, Indicator, Row

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1", "[::1]")


def security(evidence: Evidence) -> list[Indicator]:
    """Indicators of Table 3's security line."""
    return [
        _confidentiality(evidence),
        *_privacy(evidence),
        _authenticity(evidence),
        *_traceability(evidence),
    ]


def _confidentiality(evidence: Evidence) -> Indicator:
    row, name = Row(Dimension.SECURITY, "information confidentiality"), "transport security"
    said = evidence.run.metadata.get("transport_security")
    if said:
        return row.stated(name, str(said), "metadata.json")
    scenario = evidence.setting.scenario
    if scenario is None:
        return row.lacking(name, f"the metadata does not say, and {evidence.setting.reason}")
    if scenario.coordinator.host in LOOPBACK_HOSTS:
        return row.stated(name, "off; listens on loopback only", "scenario.toml")
    return row.lacking(
        name, f"listens on {scenario.coordinator.host}, and the metadata names no transport security"
    )


def _privacy(evidence: Evidence) -> list[Indicator]:
    row, run = Row(Dimension.SECURITY, "data/algorithm privacy levels"), evidence.run
    moved = run.tables["batch_flows"].query("owner != executor")
    released = float(run.tables["slots"]["released_batches"].sum())
    return [
        _budget(row, run.metadata),
        row.measured(
            "raw data that left its node",
            float(moved["payload_bytes"].sum()),
            "byte",
            "payload of batches run by another node than their owner",
            "batch_flows.parquet",
            "offloading gives up the privacy premise of federated learning for these",
        ),
        row.maybe(
            "share of batches that left their node",
            float(moved["batches"].sum()) / released if released > 0 else None,
            "fraction",
            "moved batches / released batches",
            "batch_flows.parquet, slots.parquet",
            "no batch was released",
        ),
    ]


def _budget(row: Row, metadata: Mapping[str, Any]) -> Indicator:
    name, told = "privacy budget", metadata.get("privacy") or {}
    if (epsilon := told.get("epsilon")) is not None:
        return row.measured(
            name,
            float(epsilon),
            "epsilon",
            f"Renyi accounting of {told['releases']} releases with Gaussian noise, at delta = {told['delta']:g}",
            "metadata.json",
            f"{told['kind']} differential privacy of a node with all its examples; losses, numbers of examples and "
            "energy readings are not protected"
            + (
                "; noise follows from the run's seed, and hides nothing from who knows it"
                if told["seeded"]
                else ""
            ),
        )
    strategy = str(metadata.get("strategy", ""))
    # Those with a name of detabed's add none.
    if ":" in strategy and ("dp" in strategy.lower() or "privacy" in strategy.lower()):
        return row.lacking(name, f"strategy {strategy!r} may add noise, but the run does not record epsilon")
    masked = "; the server sees the sum of updates alone" if told.get("secure_aggregation") else ""
    return row.stated(
        name, "unbounded", "metadata.json", f"no mechanism adds noise: there is no epsilon{masked}"
    )


def _authenticity(evidence: Evidence) -> Indicator:
    row, name = Row(Dimension.SECURITY, "data authenticity"), "shares whose digest holds"
    nodes = evidence.run.tables["nodes"].sort_values("node_id")
    shares, found = evidence.shares, evidence.dataset
    if shares is None or found is None:
        return row.lacking(name, evidence.why.get("dataset") or evidence.why["shares"])
    if "data_digest" not in nodes:
        return row.lacking(name, "nodes.parquet has no data_digest")
    # It imports torch, which takes seconds: a folder is opened and summarised without it.
    from edge_node.tasks.workload import share_digest

    same = [
        share_digest(found.train, share) == said
        for share, said in zip(shares, nodes["data_digest"], strict=True)
    ]
    return row.measured(
        name,
        sum(same) / len(same),
        "fraction",
        "nodes whose registered sha256 equals that of their share of the data set now / nodes",
        "nodes.parquet, data",
    )


def _traceability(evidence: Evidence) -> list[Indicator]:
    row, run, books = Row(Dimension.SECURITY, "traceability"), evidence.run, evidence.books
    if books is None:
        return [row.lacking("actions in the chained log", evidence.why["books"])]
    slots = int(run.tables["slots"]["slot"].nunique())
    actions = slots + len(run.tables["slots"])
    logged = books["kinds"].get("decision", 0) + books["node_slots"]
    return [
        row.measured(
            "actions in the chained log",
            logged / actions,
            "fraction",
            "decisions and node-slots (booked, or a gap) in the ledger / (slots + node-slots)",
            "ledger.sqlite",
            "entries are hash-chained, not signed by their makers",
        ),
        row.measured(
            "findings against the log",
            float(len(books["findings"])),
            "",
            "`ledger verify`: chain, sums, batteries, transfers, batches",
            "ledger.sqlite",
        ),
    ]
