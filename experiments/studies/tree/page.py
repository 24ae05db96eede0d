"""The page of the case study: verdicts, the map of settings against claims, figures, parameters with their sources."""

from __future__ import annotations

from typing import Any

import pandas as pd

from experiments.report.claims.figure import ClaimFigure
from experiments.report.claims.shown import ClaimGroup, ShownClaim
from experiments.report.figures.base import Drawing
from experiments.report.study_page import Shown, render_study
from experiments.studies.tree.figures import alpha_label
from experiments.studies.tree.variants import variants_for_people

CLAIMED = 16


def case_study_page(
    report: dict[str, Any], parameters: pd.DataFrame, figures: list[tuple[Drawing, str]]
) -> str:
    """HTML; ``report`` as ``fig4.reproduce_fig4`` returns it, ``figures`` with their SVG text."""
    extent, rule = report["extent"], report["rule"]
    lead = (
        "VR, VU and VG traffic with DTX at the base station and DVFS at the edge server, simulated event by event: "
        f"{extent['seeds']} paired seeds of {extent['window_s']:g} s after {extent['warmup_s']:g} s of warm-up at "
        "every point of every sweep."
    )
    return render_study(
        "experiments.studies.tree",
        lead,
        figures,
        [("Parameters, each with its source", _parameters(parameters))],
        claims=_shown(report["claims"], report["rule"]),
        reference=report["reference"],
        map=map_for_people(report["map"]),
        best=best_settings(report["map"]),
        variants=variants_for_people(report["variants"]),
        confidence=f"{rule['confidence_fraction']:.0%}",
        change=f"{rule['change_fraction']:.0%}",
        flat=f"{rule['flat_fraction']:.0%}",
    )


def _shown(claims: dict[str, Any], rule: dict[str, float]) -> tuple[ClaimGroup, ...]:
    """The claims by sweep."""
    said = (
        f"{rule['confidence_fraction']:.0%} interval over paired seeds beyond {rule['change_fraction']:.0%} of the "
        f"earlier value for a change, within {rule['flat_fraction']:.0%} for flat; else not decidable"
    )
    shown: dict[str, list[ShownClaim]] = {}
    for key, claim in claims.items():
        folded = [("Paper", claim["paper"]), ("Found", claim["ours"]), ("Rule", said)]
        if "by_construction" in claim:
            folded.append(("By construction", claim["by_construction"]))
        counts = (
            f"met in {claim['met_in']} of {claim['settings']} distinct settings, not met in {claim['not_met_in']}, not "
            f"decidable in {claim['not_decidable_in']}"
        )
        one = ShownClaim(
            key=key,
            sentence=claim["sentence"],
            verdict=claim["verdict"],
            figure=ClaimFigure.from_dict(claim["figure"]),
            ours=claim["ours"],
            note="by construction" if "by_construction" in claim else "",
            folded=(*folded, ("Other settings", counts)),
        )
        shown.setdefault(f"{key[:2]} traffic", []).append(one)
    return tuple(ClaimGroup(title, tuple(some)) for title, some in shown.items())


def best_settings(found: list[dict[str, Any]]) -> str:
    """The most claims that any setting meets, and which settings those are."""
    most = max(row["met"] for row in found)
    best = [row for row in found if row["met"] == most]
    names = "; ".join(
        f"{row['background']}, {row['discipline']}, {row['counting']} tokens, "
        f"alpha {row['alpha_bits_per_token']:g} bit/token"
        for row in best
    )
    whole = "All are met in" if most == CLAIMED else f"No setting meets all {CLAIMED}; {most} are met in"
    return f"{whole} {names}."


def map_for_people(found: list[dict[str, Any]]) -> Shown:
    """Claims met by counting and alpha (rows), background and discipline (columns)."""
    settings = list(dict.fromkeys((row["counting"], row["alpha_bits_per_token"]) for row in found))
    worlds = list(dict.fromkeys((row["background"], row["discipline"]) for row in found))
    met = {
        (row["background"], row["discipline"], row["counting"], row["alpha_bits_per_token"]): row["met"]
        for row in found
    }
    rows = [
        [f"{counting}, {alpha_label(alpha)}", *(str(met[(*world, counting, alpha)]) for world in worlds)]
        for counting, alpha in settings
    ]
    return Shown(["tokens, alpha (bit/token)", *(", ".join(world) for world in worlds)], rows)


def _parameters(table: pd.DataFrame) -> Shown:
    return Shown(list(table.columns), [[_cell(value) for value in row] for row in table.to_numpy()])


def _cell(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
