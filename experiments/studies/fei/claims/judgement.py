"""What is said of a claim: met, not met or not decidable, by the rows of one training seed or of several."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd

from experiments.report.claims.figure import ClaimFigure, between
from experiments.report.units import number
from experiments.studies.fei.spec import SERVERS

LEAST_ROWS = 4
"""Rows of Table I below which no growth is judged."""
GROWS_RANK = 0.8
"""Spearman's coefficient from which a series counts as growing, its last value above its first."""
EXACT = 1e-9
"""Relative difference of two sums of the same joules, up to which they are equal."""


PLACED = {"sorted": "sorted by intensity", "random": "drawn at random"}
"""How zones are given to servers, in words."""


class Verdict(StrEnum):
    MET = "met"
    NOT_MET = "not met"
    NOT_DECIDABLE = "not decidable"


class About(StrEnum):
    """What a test is about."""

    CLAIM = "a claim of the paper"
    SETUP = "the set-up, not a claim"
    ADDED = "recycling, not in the paper's figures"


@dataclass(frozen=True, slots=True)
class Judgement:
    """One test judged."""

    verdict: Verdict
    paper: str
    ours: str
    rule: str
    why: str = ""
    """Whose doing the verdict is (the paper's, this model's, the lack of runs), and what of it cannot be otherwise."""
    about: About = About.CLAIM
    by_construction: str = ""
    """Reason why no measurement could change the verdict; empty where one could."""
    sentence: str = ""
    """The claim as people read it."""
    figure: ClaimFigure | None = None
    """The one figure of the claim: the paper's, and ours with its interval."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON. ``figure``: see experiments.report.claims.figure.ClaimFigure."""
        said: dict[str, Any] = {
            "verdict": str(self.verdict),
            "about": str(self.about),
            "sentence": self.sentence,
            "paper": self.paper,
            "ours": self.ours,
            "figure": None if self.figure is None else self.figure.as_dict(),
            "rule": self.rule,
        }
        said |= {"why": self.why} if self.why else {}
        return said | ({"by_construction": self.by_construction} if self.by_construction else {})


def met(condition: bool) -> Verdict:
    """The verdict on a claim that could be decided."""
    return Verdict.MET if condition else Verdict.NOT_MET


def undecided(paper: str, ours: str, rule: str) -> Judgement:
    """A claim on which there are too few rows; ``ours`` says which are lacking."""
    return Judgement(Verdict.NOT_DECIDABLE, paper, ours, rule, "lack of runs at this effort")


WHY_SEEDS = (
    "rounds are whole and few, and change with the training seed: the verdict hangs on one or two of them"
)


def grows(values: Any) -> bool:
    """Whether a series rises: rank correlation with its order, and last above first."""
    series = pd.Series(np.asarray(values, dtype=float))
    if not series.iloc[-1] > series.iloc[0] * (1.0 + EXACT):
        return False
    # Spearman's coefficient: Pearson's of the ranks (scipy.stats takes seconds to import).
    return bool(series.rank().corr(pd.Series(np.arange(len(series), dtype=float))) >= GROWS_RANK)


def too_few(part: pd.DataFrame) -> str:
    return (
        f"{len(part)} of {len(SERVERS)} rows trained to the target at this effort; "
        f"{LEAST_ROWS} are needed (--full trains all)"
    )


@dataclass(frozen=True, slots=True)
class Measured:
    """What the rows of one training seed say on a claim."""

    holds: bool
    figures: dict[str, float]
    """By a text with {} for the figure, in the order to be said."""
    main: float
    """The one figure of the claim that is shown beside the paper's."""


Parts = dict[int, pd.DataFrame]
"""Rows behind a claim, by training seed."""
Measure = Callable[[pd.DataFrame], Measured | str]
"""What rows say; in words, why they say nothing."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of the rows."""

    sentence: str
    """The claim as people read it."""
    paper: str
    """The paper's words and figures."""
    rule: str
    figure: ClaimFigure
    """What is shown beside the paper's figure; ours is still to be measured."""


def judge(asked: Asked, measure: Measure, parts: Parts, why: dict[Verdict, str]) -> Judgement:
    """Met where met with every training seed, not met where with none, else not decidable, with the count."""
    said, rule = asked.paper, asked.rule
    found = [measure(part) for part in parts.values()]
    judged = [one for one in found if isinstance(one, Measured)]
    if not judged:
        return replace(undecided(said, str(found[0]), rule), sentence=asked.sentence, figure=asked.figure)
    held = sum(one.holds for one in judged)
    verdict = Verdict.NOT_DECIDABLE
    if len(judged) == len(found) and held in (0, len(found)):
        verdict = met(held > 0)
    ours = "; ".join(
        label.format(spread([one.figures[label] for one in judged])) for label in judged[0].figures
    )
    if len(found) == 1:
        ours += "; one training seed"
    else:
        ours = f"met with {held} of {len(found)} training seeds; mean (lowest to highest): {ours}"
        rule += "; met with every training seed, or with none"
    unclear = (
        WHY_SEEDS if len(judged) == len(found) else "lack of runs: with some seeds rows missed the target"
    )
    reason = why.get(verdict, unclear if verdict is Verdict.NOT_DECIDABLE else "")
    mains = [one.main for one in judged]
    seeds = f"lowest to highest of {len(mains)} training seeds" if len(mains) > 1 else "one training seed"
    shown = replace(asked.figure, **between(mains), interval=seeds)  # type: ignore[arg-type]
    return Judgement(verdict, said, ours, rule, reason, sentence=asked.sentence, figure=shown)


def spread(values: list[float]) -> str:
    """Mean over training seeds, lowest and highest; one figure where they are the same."""
    low, high = figure(min(values)), figure(max(values))
    return low if low == high else f"{figure(float(np.mean(values)))} ({low} to {high})"


def figure(value: float) -> str:
    """Three digits; whole numbers as such."""
    is_whole = abs(value - round(value)) <= EXACT and abs(value) < 1000
    return f"{value:.0f}" if is_whole else number(value)
