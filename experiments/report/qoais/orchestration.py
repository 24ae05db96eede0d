"""Orchestration: degree of automation of the service."""

from __future__ import annotations

from experiments.report.measures import status_kind
from experiments.report.qoais.evidence import Evidence
from experiments.report.qoais.indicator import Dimension, Indicator, Row

AUTOMATIC = frozenset(
    (
        "start registration telemetry opening adjustment decision usage trade settlement booking gap slot_end alarm "
        "signal clock fleet slot"
    ).split()
)
"""Kinds of ledger entries that coordinator and nodes write; any other kind is an action of a person."""
PARTIAL_AT_MOST_PER_100 = 50.0
"""With more interventions than this per 100 decisions, the service is fully controlled by people (choice)."""


def orchestration(evidence: Evidence) -> list[Indicator]:
    """Indicators of Table 3's orchestration line."""
    row, run, books = Row(Dimension.ORCHESTRATION, "level of autonomy"), evidence.run, evidence.books
    decisions = run.tables["decisions"]
    fallbacks = [status for status in decisions["status"] if status_kind(str(status)) == "fallback"]
    restarts = run.metadata.get("coordinator_restarts")
    by_hand = (
        None
        if books is None
        else sum(count for kind, count in books["kinds"].items() if kind not in AUTOMATIC)
    )
    rate = None if by_hand is None or decisions.empty else 100.0 * by_hand / len(decisions)
    why = evidence.why.get("books", "the run made no decision")
    seen = "only interventions in the ledger; actions on processes or files outside it are not visible"
    return [
        row.measured("decisions", float(len(decisions)), "", "decided slots", "decisions.parquet"),
        row.maybe(
            "manual interventions per 100 decisions",
            rate,
            "",
            "100 * ledger entries of a person's making / decisions",
            "ledger.sqlite, decisions.parquet",
            why,
            seen,
        ),
        row.lacking("autonomy", why)
        if rate is None
        else row.measured(
            "autonomy", autonomy(rate), "", "none: full; up to 50 per 100: partial", "ledger.sqlite", seen
        ),
        row.maybe(
            "decisions by a fallback",
            len(fallbacks) / len(decisions) if len(decisions) else None,
            "fraction",
            "decisions replaced by another policy / decisions",
            "decisions.parquet",
            "the run made no decision",
            "automatic: no person acts",
        ),
        row.maybe(
            "coordinator restarts",
            float(restarts if isinstance(restarts, int) else len(restarts)) if restarts is not None else None,
            "",
            "restarts by the supervisor",
            "metadata.json",
            "the metadata does not list them",
            "automatic: no person acts",
        ),
    ]


def autonomy(interventions_per_100: float) -> str:
    """Level of Table 3 for a rate of interventions."""
    if interventions_per_100 == 0:
        return "full autonomy"
    if interventions_per_100 <= PARTIAL_AT_MOST_PER_100:
        return "partially controllable by humans"
    return "fully controllable by humans"
