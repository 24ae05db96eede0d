"""Verdicts on the page: the headline, the cards, and the claims by part of the paper."""

from __future__ import annotations

from typing import Any

import pandas as pd

from experiments.report.claims.shown import NO_FIGURE, ClaimGroup, Reading, ShownClaim
from experiments.studies.fei.claims.judgement import About, Judgement, Verdict
from experiments.studies.fei.columns import both_readings

SET_UP = "Set-up"
PARTS = {
    "parameters": SET_UP,
    "energy": "Table I and Figure 3",
    "carbon": "Table I and Figure 3",
    "cnn": "Table I and Figure 3",
    "stage": "Figure 4",
    "higher": "Figure 4",
    "det": "Figure 5",
    "dat": "Figure 5",
    "deta": "Figure 5",
}
"""First word of a claim's key -> the part of the paper that it is of."""


def claim_groups(claims: dict[str, Judgement], by_reading: pd.DataFrame | None) -> tuple[ClaimGroup, ...]:
    """Claims as the page shows them, by part of the paper. ``by_reading``: as ``every_reading`` makes it, or None."""
    groups: dict[str, list[ShownClaim]] = {}
    for key, one in claims.items():
        folded = [("Paper", one.paper), ("Found", one.ours), ("Rule", one.rule)]
        folded += [("Reason", one.why)] if one.why else []
        folded += [("By construction", one.by_construction)] if one.by_construction else []
        notes = [] if one.about is About.CLAIM else [str(one.about)]
        notes += ["by construction"] if one.by_construction else []
        shown = ShownClaim(
            key=key,
            sentence=one.sentence,
            verdict=str(one.verdict),
            figure=one.figure,
            ours=one.ours,
            note=" · ".join(notes),
            without="not in the paper" if one.about is About.ADDED else NO_FIGURE,
            folded=tuple(folded),
            readings=_other_readings(key, by_reading),
        )
        groups.setdefault(PARTS[key.partition("-")[0]], []).append(shown)
    order = sorted(groups, key=lambda title: title == SET_UP)  # what is no claim comes last
    return tuple(ClaimGroup(title, tuple(groups[title])) for title in order)


def _other_readings(key: str, by_reading: pd.DataFrame | None) -> tuple[Reading, ...]:
    if by_reading is None:
        return ()
    own = by_reading[(by_reading["claim"] == key) & ~by_reading["is_reference"].astype(bool)]
    names = both_readings(own)
    return tuple(
        Reading(name, row["verdict"], row["ours"])
        for name, row in zip(names, own.to_dict("records"), strict=True)
    )


def flat(one: Judgement) -> dict[str, Any]:
    """A claim as a row of a table: its figure in columns of their own."""
    row = one.as_dict()
    figure = row.pop("figure") or {}
    return row | {
        f"figure_{name}": figure.get(name)
        for name in (
            "what",
            "kind",
            "unit",
            "ours",
            "low",
            "high",
            "interval",
            "paper",
            "at_least",
            "at_most",
        )
    }


def count(claims: dict[str, Judgement], verdict: Verdict, about: About = About.CLAIM) -> int:
    """Tests of one kind with one verdict."""
    return sum(one.verdict is verdict and one.about is about for one in claims.values())


def sentence(claims: dict[str, Judgement]) -> str:
    """The headline: the paper's claims, and apart from them what else is tested."""
    kinds = {kind: sum(one.about is kind for one in claims.values()) for kind in About}
    said = (
        f"Of {kinds[About.CLAIM]} tests of the paper's claims {count(claims, Verdict.MET)} are met, "
        f"{count(claims, Verdict.NOT_MET)} are not, and {count(claims, Verdict.NOT_DECIDABLE)} cannot be decided "
        "at this effort."
    )
    besides = [
        f"{count(claims, Verdict.MET, kind)} of {kinds[kind]} {words}"
        for kind, words in (
            (About.SETUP, "parameter counts that the paper prints"),
            (About.ADDED, "tests on recycling, of which the paper has no figure"),
        )
        if kinds[kind]
    ]
    return f"{said} Not counted there, and met: {'; '.join(besides)}." if besides else said


def cards(claims: dict[str, Judgement]) -> list[dict[str, str]]:
    notes = {
        Verdict.MET: "as the paper says, by a stated rule",
        Verdict.NOT_MET: "ours contradicts, or does not show it",
        Verdict.NOT_DECIDABLE: "too few rows, seeds that disagree, scaling, or an interval across the limit",
    }
    return [
        {"value": str(count(claims, verdict)), "label": f"claims {verdict}", "note": note}
        for verdict, note in notes.items()
    ]
