"""The claims under other ways to serve: batches, several users, and the fitted cost model, in the reference setting."""

from __future__ import annotations

from typing import Any

import pandas as pd

from experiments.report.study_page import Shown
from experiments.studies.tree.claims import CLAIMS, Judgement
from experiments.studies.tree.conditions import Verdict
from experiments.studies.tree.parameters import Parameters
from experiments.studies.tree.serving import ALONE, VARIANTS, Serving
from experiments.studies.tree.settings import REFERENCE, variant_settings
from experiments.studies.tree.tables import judge_reading, pick

Judged = dict[Serving, dict[str, Judgement]]
MARK = " *"
"""After a verdict in the page's table that holds by construction."""


def judge_variants(curves: pd.DataFrame, parameters: Parameters) -> Judged:
    """Every claim in the reference setting, served as in the paper and in each other way."""
    found = {}
    for serving in (ALONE, *VARIANTS):
        parts = {setting.sweep: pick(curves, setting) for setting in variant_settings(serving)}
        found[serving] = judge_reading(REFERENCE, parts, parameters, serving)
    return found


def variants_table(judged: Judged) -> pd.DataFrame:
    """One row per way to serve and claim."""
    return pd.DataFrame(
        [
            {
                "cost": str(serving.cost),
                "batch": serving.batch,
                "users": serving.users,
                "claim": name,
                "paper": judgement.claim.paper,
                "one_of_sixteen": judgement.claim.counted,
                "verdict": str(judgement.verdict),
                "ours": judgement.ours,
                "by_construction": judgement.by_construction,
            }
            for serving, by_claim in judged.items()
            for name, judgement in by_claim.items()
        ]
    )


def variant_counts(judged: Judged) -> list[dict[str, Any]]:
    """Verdicts of the sixteen by way to serve, how many of them there are, and which hold by construction."""
    found = []
    for serving, by_claim in judged.items():
        counted = {name: one for name, one in by_claim.items() if one.claim.counted}
        verdicts = {name: one.verdict for name, one in counted.items()}
        constructed = [name for name, one in counted.items() if one.by_construction]
        found.append(
            {
                "cost": str(serving.cost),
                "batch": serving.batch,
                "users": serving.users,
                "served": serving.label,
                **{str(each).replace(" ", "_"): list(verdicts.values()).count(each) for each in Verdict},
                "claims": {name: str(verdict) for name, verdict in verdicts.items()},
                "by_construction": constructed,
                "met_by_construction": sum(verdicts[name] is Verdict.MET for name in constructed),
            }
        )
    return found


def variants_for_people(found: list[dict[str, Any]]) -> Shown:
    """Claims (rows) by way to serve (columns); a verdict that holds by construction ends with ``MARK``."""
    rows = [
        [claim.name, claim.paper, *(_marked(row, claim.name) for row in found)]
        for claim in CLAIMS
        if claim.counted
    ]
    met = [
        "met, and of them by construction",
        "",
        *(f"{row['met']}, {row['met_by_construction']}" for row in found),
    ]
    return Shown(["claim", "paper", *(row["served"] for row in found)], [*rows, met])


def _marked(row: dict[str, Any], name: str) -> str:
    return f"{row['claims'][name]}{MARK if name in row['by_construction'] else ''}"
