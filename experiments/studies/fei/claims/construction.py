"""Verdicts that hold by construction: those that do not depend on the measured rounds, and those of nested optima.

Everything measured in Table I and Fig. 4 is rounds. The verdicts are therefore found again with other rounds in place
of the measured ones: the same in every row, rising, falling or drawn, flat or steep in the target, of both trainings
(``PATTERNS``); where a claim presumes that energy grows, which is a claim of its own, those alone that do not fall as
servers are added. A verdict that always comes out the same says what was put in (zones, requests, the size of a round),
not what was measured. In Fig. 5 a policy that may do all that another may, and knows the whole day, cannot emit more.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import Enum
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from coordinator.policies.optimised import ModelPolicy
from coordinator.policies.registry import make_policy, traits
from experiments.studies.fei import fig4, placement, table1
from experiments.studies.fei.claims.judgement import Judgement, Verdict
from experiments.studies.fei.claims.stages import stage_claims
from experiments.studies.fei.claims.table import table_claims
from experiments.studies.fei.spec import BY_NAME, REFERENCE_BATCHES, REFERENCE_SERVERS
from experiments.studies.fei.table1 import Outcome, Row

PRESUME_GROWTH = "carbon-grows-faster"
"""Claims that compare carbon's growth with energy's presume the latter; their names begin so."""
LEAST_ROUNDS, MOST_ROUNDS = 3, 40
"""Of a pattern; the rows of Table I take 1 to 33. Fewer than three cannot reach three targets one by one."""


class Servers(Enum):
    """How rounds change as servers are added."""

    SAME = "same"
    RISING = "rising"
    FALLING = "falling"
    DRAWN = "drawn"


@dataclass(frozen=True, slots=True)
class Pattern:
    """Rounds in place of the measured ones."""

    by_servers: Servers
    is_steep: bool
    """Whether a higher target takes more rounds of development; else as many."""
    is_steep_again: bool
    """Likewise of recycling."""


PATTERNS = tuple(Pattern(*each) for _ in range(2) for each in product(Servers, (False, True), (False, True)))
"""Each twice, with other draws."""


def marked(judged: dict[str, Judgement], reasons: dict[str, str]) -> dict[str, Judgement]:
    """``judged`` with ``reasons`` beside those verdicts that they are of."""
    return {
        name: replace(one, by_construction=reasons[name]) if name in reasons else one
        for name, one in judged.items()
    }


def whatever_rounds(
    judged: dict[str, Judgement], outcomes: dict[Row, Outcome], world: placement.Intensities
) -> dict[str, str]:
    """Reasons by name, for those of ``judged`` on Table I and Fig. 4 whose verdict no draw of rounds changes."""
    rows = {
        row: seen
        for row, seen in outcomes.items()
        if (row.batches, row.reading) == (REFERENCE_BATCHES, REFERENCE_SERVERS) and seen.training is not None
    }
    rng = np.random.default_rng(5)
    found = [(pattern, _verdicts(_redrawn(rows, rng, pattern), world)) for pattern in PATTERNS]
    reasons = {}
    for name, one in judged.items():
        presumes = name.startswith(PRESUME_GROWTH)
        asked = [
            verdicts.get(name)
            for pattern, verdicts in found
            if not presumes or pattern.by_servers in (Servers.SAME, Servers.RISING)
        ]
        if one.verdict is not Verdict.NOT_DECIDABLE and set(asked) == {one.verdict}:
            kind = " that do not fall as servers are added" if presumes else ""
            reasons[name] = (
                f"the verdict is the same for any rounds{kind} ({len(asked)} patterns in place of the measured ones)"
            )
    return reasons


def _verdicts(outcomes: dict[Row, Outcome], world: placement.Intensities) -> dict[str, Verdict]:
    frame = table1.table(outcomes, {}, world)
    no_check = pd.DataFrame(columns=["reading_e_b", "reading_servers", "servers", "error_fraction"])
    no_seeds = table1.by_seed({}, world)
    judged = table_claims(frame, no_check, no_seeds)
    shares = fig4.shares(fig4.table(outcomes, world))
    judged |= stage_claims(shares, fig4.by_seed({}, world))
    return {name: one.verdict for name, one in judged.items()}


def _redrawn(rows: dict[Row, Outcome], rng: np.random.Generator, pattern: Pattern) -> dict[Row, Outcome]:
    """``rows`` with the histories of a pattern, calibrated on their own."""
    drawn: dict[Row, Outcome] = {}
    for model in dict.fromkeys(row.model for row in rows):
        own = sorted((row for row in rows if row.model == model), key=lambda row: row.servers)
        levels = fig4.levels(rows[own[0]]) if model == fig4.MODEL else BY_NAME[model].levels_fraction
        development = _rounds(rng, len(own), pattern.by_servers)
        recycling = _rounds(rng, len(own), Servers.DRAWN)
        for row, most, again in zip(own, development, recycling, strict=True):
            histories = {
                "development": _history(levels, most, steep=pattern.is_steep),
                "recycling": _history(levels, again, steep=pattern.is_steep_again),
            }
            drawn[row] = _outcome(rows[row], histories)
    return table1.calibrated(drawn)


def _rounds(rng: np.random.Generator, count: int, kind: Servers) -> list[int]:
    """Rounds to the highest target, by row."""
    drawn = rng.integers(LEAST_ROUNDS, MOST_ROUNDS + 1, count).tolist()
    if kind is Servers.DRAWN:
        return drawn
    if kind is Servers.SAME:
        return drawn[:1] * count
    return sorted(drawn, reverse=kind is Servers.FALLING)


def _history(levels: tuple[float, ...], most: int, *, steep: bool) -> list[dict[str, float]]:
    """``most`` rounds to the last of ``levels``: evenly from level to level, or all levels in the last round."""
    history = [{"accuracy": 0.0, "loss": 1.0} for _ in range(most)]
    for k, level in enumerate(levels):
        reached = 1 + (most - 1) * k // (len(levels) - 1) if steep else most
        for later in history[reached - 1 :]:
            later["accuracy"] = level
    return history


def _outcome(seen: Outcome, histories: dict[str, Any]) -> Outcome:
    assert seen.training is not None
    rounds = len(histories["development"])
    return replace(
        seen,
        training=replace(seen.training, rounds=rounds),
        result={**seen.result, **histories},
        basis="measured",
        calibration=None,
    )


def nested(better: str, worse: str) -> str:
    """Why the policy ``better`` cannot emit more than ``worse`` on a day known in advance; empty where it may."""
    policies = [make_policy(name) for name in (better, worse)]
    wide, narrow = (asdict(traits(policy).restrictions) for policy in policies)
    if not isinstance(policies[0], ModelPolicy) or any(narrow[name] and not wide[name] for name in wide):
        return ""
    return (
        "the better one is an optimum over the whole day, known in advance, and may do all that the other may: it "
        "cannot emit more, but for whole batches; measured is by how much less"
    )
