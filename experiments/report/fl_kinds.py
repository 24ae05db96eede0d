"""Models of nodes' own beside the global one, and what is spent of privacy beside grams."""

from __future__ import annotations

import pandas as pd

from experiments.report import style, units
from experiments.report.measures import final_accuracy
from experiments.report.read import Study
from experiments.report.tables import Column, Table

PRIVACY = (
    "kind",
    "secure_aggregation",
    "clipping_norm",
    "noise_multiplier",
    "sensitivity",
    "releases",
    "epsilon",
    "delta",
)


def personal(study: Study) -> Table | None:
    """One row per run and node; None where no node measured a model of its own."""
    rows = [
        {
            "policy": run.policy,
            "seed": run.seed,
            "node_id": node,
            "personal_accuracy": accuracy,
            "accuracy": final_accuracy(run.tables["rounds"]),
        }
        for run in study
        for node, accuracy in sorted(run.metadata.get("personal_accuracy", {}).items())
    ]
    if not rows:
        return None
    return Table(
        "personal",
        "Accuracy of the nodes’ own models",
        pd.DataFrame(rows),
        (
            Column("policy", "policy", style.policy_label, is_number=False),
            Column("seed", "seed"),
            Column("node_id", "node", is_number=False),
            Column("personal_accuracy", "own model, own mixture of classes", units.percent),
            Column("accuracy", "global model, all classes", units.percent),
        ),
        note=(
            "Own model: what the node would serve after its last training, on held-out examples in the proportions of "
            "the node’s own classes. Global model: on all held-out examples; tensors that stay at the nodes (fedbn, "
            "fedper) are in it as they were before any training."
        ),
    )


def privacy(study: Study) -> Table | None:
    """One row per run; None where no run protects updates."""
    rows = [
        {
            "policy": run.policy,
            "seed": run.seed,
            **{name: told[name] for name in PRIVACY},
            "accuracy": final_accuracy(run.tables["rounds"]),
            "emissions_g": float(run.tables["rounds"]["cumulative_g"].max()),
        }
        for run in study
        if (told := run.metadata.get("privacy")) is not None
    ]
    if not rows:
        return None
    return Table(
        "privacy",
        "Privacy spent, beside accuracy and emissions",
        pd.DataFrame(rows),
        (
            Column("policy", "policy", style.policy_label, is_number=False),
            Column("seed", "seed"),
            Column("kind", "differential privacy", is_number=False),
            Column(
                "secure_aggregation",
                "sum alone is seen",
                lambda value: "yes" if value else "no",
                is_number=False,
            ),
            Column("clipping_norm", "clipping norm C", lambda value: units.trimmed(value, 4)),
            Column("noise_multiplier", "noise, times C", lambda value: units.trimmed(value, 4)),
            Column("sensitivity", "sensitivity", lambda value: units.trimmed(value, 4)),
            Column("releases", "releases", units.count),
            Column("epsilon", "epsilon", lambda value: units.trimmed(value, 4)),
            Column("delta", "at delta", lambda value: f"{value:.0e}"),
            Column("accuracy", "accuracy", units.percent),
            Column("emissions_g", "emissions by the last round", units.grams),
        ),
        note=(
            "The unit that is protected is a node with all its examples. Epsilon: Renyi accounting of Gaussian "
            "noise, no "
            "gain from sampling. Losses, numbers of examples and energy readings are not protected."
        ),
    )
