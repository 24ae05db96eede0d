"""A claim or check as the page shows it, and the groups that the page lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from experiments.report.claims.figure import ClaimFigure
from experiments.report.claims.picture import picture

NO_FIGURE = "words, no figure"
"""Beside our figure where the paper says something and gives no number."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The claim in another reading of the paper, or in other settings."""

    name: str
    verdict: str
    ours: str


@dataclass(frozen=True, slots=True)
class ShownClaim:
    """One claim: what people read, and what is folded away."""

    key: str
    sentence: str
    verdict: str
    figure: ClaimFigure | None
    ours: str
    """All that was found, in words; the only figure where ``figure`` is None."""
    has_paper: bool = True
    """False for a check of the project's own: its limit stands where the paper's figure would."""
    without: str = NO_FIGURE
    """In place of the paper's figure where there is none."""
    note: str = ""
    """Beside the verdict, such as ``by construction``."""
    folded: tuple[tuple[str, str], ...] = ()
    """Title and text: rule, reason, the paper's words."""
    readings: tuple[Reading, ...] = ()

    @property
    def mark(self) -> str:
        """The verdict as the name of a style."""
        return self.verdict.replace(" ", "-")

    @property
    def beside(self) -> str:
        """What stands beside our figure: the paper's figure, or the limit."""
        if self.figure is not None and self.figure.paper is not None:
            return self.figure.text(self.figure.paper)
        if self.has_paper:
            return self.without
        return "" if self.figure is None else self.figure.wanted_text

    @property
    def picture(self) -> Markup:
        return Markup("") if self.figure is None else picture(self.figure)


@dataclass(frozen=True, slots=True)
class ClaimGroup:
    """Claims under one title; without one where there is a single group."""

    title: str
    claims: tuple[ShownClaim, ...]


def verdict_counts(groups: Sequence[ClaimGroup]) -> dict[str, int]:
    """Verdict as words -> number of claims, those that occur; met first."""
    found = [claim.verdict for group in groups for claim in group.claims]
    return {verdict: found.count(verdict) for verdict in sorted(set(found), key=_order)}


def _order(verdict: str) -> int:
    return ("met", "not met", "not decidable").index(verdict)


def own_checks(checks: Mapping[str, Mapping[str, Any]]) -> tuple[ClaimGroup, ...]:
    """Checks of the project's own as one group: ``verdict``, ``statement``, ``ours``, ``figure`` (as
    ClaimFigure.as_dict writes it), and ``by_construction`` where the verdict follows from it."""
    shown = []
    for key, check in checks.items():
        folded = [("Found", str(check["ours"]))]
        if "by_construction" in check:
            folded.append(("By construction", str(check["by_construction"])))
        shown.append(
            ShownClaim(
                key=key,
                sentence=_sentence(str(check["statement"])),
                verdict=str(check["verdict"]),
                figure=ClaimFigure.from_dict(check["figure"]),
                ours=str(check["ours"]),
                has_paper=False,
                note="by construction" if "by_construction" in check else "",
                folded=tuple(folded),
            )
        )
    return (ClaimGroup("", tuple(shown)),)


def _sentence(text: str) -> str:
    """With a capital and a full stop."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
