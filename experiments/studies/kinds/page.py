"""The study's page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from experiments.report.claims.shown import own_checks
from experiments.report.figures.base import Drawing
from experiments.report.study_page import Shown, render_study
from experiments.studies.kinds.kinds import NODES, ZONES

NONE = "–"


def page_of(report: Mapping[str, Any], kinds: pd.DataFrame, drawings: list[tuple[Drawing, str]]) -> str:
    """HTML of the study."""
    return render_study(
        "experiments.studies.kinds",
        f"{len(kinds)} kinds of federated learning on the same data, {report['seeds']} seeds, {report['rounds']} "
        f"rounds.",
        drawings,
        [("Kinds", shown(kinds))],
        claims=own_checks(report["checks"]),
        assumptions=assumptions(report),
    )


def shown(kinds: pd.DataFrame) -> Shown:
    """A row a kind; differences from its baseline are paired by seed."""
    return Shown(
        [
            *("kind", "accuracy", "own models", "slot, s", "J", "of these static", "g CO2e", "MB", "epsilon"),
            *(
                "accuracy against baseline, points",
                "grams against baseline",
                "of these static power",
                "baseline",
            ),
        ],
        [
            [
                row["title"],
                _percent(row["accuracy"]),
                _percent(row["personal_accuracy"]),
                f"{row['slot_s']:.2f}",
                f"{row['energy_j']:.0f}",
                f"{row['static_j']:.0f}",
                f"{row['emissions_g']:.3f}",
                f"{row['sent_bytes'] / 1e6:.1f}",
                NONE if _none(row["epsilon"]) else f"{row['epsilon']:,.1f}",
                _between(row, "accuracy", 100.0, ""),
                _between(row, "emissions_g", 100.0, " %"),
                _between(row, "static_g", 100.0, " %"),
                row["baseline"],
            ]
            for row in kinds.to_dict("records")
        ],
    )


def _between(row: Mapping[Any, Any], name: str, times: float, unit: str) -> str:
    if row["kind"] == row["baseline"] or _none(row[f"{name}_more"]):
        return NONE
    mean, low, high = (row[f"{name}_more{part}"] for part in ("", "_low", "_high"))
    text = f"{times * mean:+z.1f}{unit}"
    return text if _none(low) else f"{text} ({times * low:+z.1f} to {times * high:+z.1f})"


def _percent(value: float | None) -> str:
    return NONE if _none(value) else f"{value:.1%}"


def _none(value: Any) -> bool:
    return value is None or value != value


def assumptions(report: Mapping[str, Any]) -> list[str]:
    """What the figures rest on."""
    return [
        f"{NODES} nodes in {', '.join(ZONES)}, digits divided with label skew (Dirichlet, 0.3), batches of 16, two "
        f"local "
        f"epochs, {report['rounds']} rounds, learning rate 0.1; the same shares and first weights for every kind of "
        f"a seed.",
        "Vertical learning has no shares of examples: every node has columns of all of them, and no model of its own.",
        "Slots are as long as the work of a kind needs, and nodes are awake all of them: longer slots take more static "
        "power. The table has both, and how much of the grams more than the baseline’s it makes.",
        "Policy LOCAL: no batch moves, so that what differs is the kind alone.",
        "Own models are measured after the node’s local training, FedAvg’s too: it is then FedAvg with fine-tuning. "
        "The "
        "measurement’s joules are in every kind’s.",
        "The global model of FedPer and FedBN has layers that no node trained, as a node that joins would begin with.",
        "Privacy is that of a node with all its examples, without gain from sampling: every node takes part in every "
        "round. Of six nodes that is a hard case; noise falls with the number of nodes (central).",
        "Differential privacy with noise 0.05 is there to show the way between; its epsilon promises nothing.",
        "Secure aggregation: operations are counted, not measured. Nothing drops out in these runs.",
    ]
