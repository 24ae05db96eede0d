"""What the claims are made of: one figure compared at two places of a sweep, with an interval and a verdict.

A change is the ratio of the means at the two places less one. Its interval is Student's t at ``CONFIDENCE_FRACTION``
on the logarithm of that ratio, seed against the same seed (delta method): no interval says that more than all of a
figure can go. Where nothing is left with any seed, the change is -100 % exactly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from experiments.report.claims.figure import finite
from experiments.report.stats import Estimate, estimate
from experiments.studies.tree.model import Service
from experiments.studies.tree.settings import grid

CONFIDENCE_FRACTION = 0.99
CHANGE_FRACTION = 0.02
"""What counts as rising or falling: more than this, relative."""
FLAT_FRACTION = 0.05
"""What counts as flat: less than this, relative, in either direction."""

WORDS = {
    "ee": "EE",
    "tree": "TREE",
    "tokens": "tokens per second",
    "server_w": "the edge server's power",
    "memory_w": "the memory's power",
    "prefill_w": "prefill's power",
    "vu_per_s": "VU requests per second",
    "ai_bits_per_s": "AI bits per second",
}
"""Figures of the curves as people read them."""
Floats = NDArray[np.float64]
Curves = Mapping[str, Floats]
"""Figure -> values, shape (seeds, points of the sweep's grid)."""


class Verdict(StrEnum):
    """Outcome of a condition or a claim."""

    MET = "met"
    NOT_MET = "not met"
    NOT_DECIDABLE = "not decidable"


@dataclass(frozen=True, slots=True)
class Places:
    """Relative rates the claims speak of."""

    start: float
    low: float
    knee: float
    high: float
    settled_from: float
    settled_to: float

    def index(self, sweep: Service, place: float) -> int:
        return grid(sweep).index(place)


PLACES = {
    Service.VR: Places(start=0.05, low=0.5, knee=0.9, high=2.0, settled_from=4.0, settled_to=8.0),
    Service.VU: Places(start=1 / 16, low=0.5, knee=1.0, high=8.0, settled_from=16.0, settled_to=32.0),
    Service.VG: Places(start=1 / 16, low=0.5, knee=1.0, high=8.0, settled_from=16.0, settled_to=32.0),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One condition evaluated: what was measured and what it means."""

    text: str
    change: Estimate | None
    """Relative change (or difference of two); None where the first place's mean is zero: nothing to relate to."""
    verdict: Verdict
    at_least: float | None = None
    at_most: float | None = None
    """Where the condition holds; None where it has no limit on that side."""
    words: str = ""
    """``text`` as people read it."""

    def __str__(self) -> str:
        if self.change is None:
            return f"{self.text}: nothing to relate to"
        if self.change.low is None or self.change.high is None:
            return f"{self.text}: {self.change.mean:+z.1%}"
        return f"{self.text}: {self.change.mean:+z.1%} [{self.change.low:+z.1%}, {self.change.high:+z.1%}]"


@dataclass(frozen=True)
class Reader(Mapping[str, Floats]):
    """Curves that remember which of them were looked at."""

    curves: Curves
    used: set[str] = field(default_factory=set)

    def __getitem__(self, figure: str) -> Floats:
        self.used.add(figure)
        return self.curves[figure]

    def __iter__(self) -> Iterator[str]:
        return iter(self.curves)

    def __len__(self) -> int:
        return len(self.curves)


def change(values: Floats, first: int, second: int) -> Estimate | None:
    """Relative change of a figure that cannot be negative; None where its mean at the first place is zero."""
    before, after = values[:, first], values[:, second]
    base, mean = float(before.mean()), float(after.mean())
    if base <= 0:
        return None
    each = tuple(((after - before) / base).tolist())
    if len(each) == 1:
        return Estimate(each, each[0], None, None, None)
    if mean == 0:
        return Estimate(each, -1.0, 0.0, -1.0, -1.0)
    ratio = mean / base
    spread = estimate((after / mean - before / base).tolist(), CONFIDENCE_FRACTION)  # mean zero
    assert spread.sd is not None
    assert spread.high is not None
    half = spread.high - spread.mean
    return Estimate(
        each,
        ratio - 1.0,
        ratio * spread.sd,
        ratio * math.exp(-half) - 1.0,
        ratio * math.exp(half) - 1.0,
    )


def _influence(values: Floats, first: int, second: int) -> tuple[float, Floats] | None:
    """Relative change, and what each seed adds to it (mean zero): the delta method of a ratio of means."""
    before, after = values[:, first], values[:, second]
    base = float(before.mean())
    if base <= 0:
        return None
    ratio = float(after.mean()) / base
    return ratio - 1.0, (after - ratio * before) / base


def judge_change(text: str, found: Estimate | None, low: float, high: float, words: str = "") -> Finding:
    """Met when the interval lies within (low, high), not met when it lies wholly outside on one side.

    One seed has no interval: then its value decides (``experiments.studies.tree.fluid``, which has no chance in it).
    """
    limits = finite(low), finite(high)
    if found is None:
        return Finding(text, None, Verdict.NOT_DECIDABLE, *limits, words)
    below = found.mean if found.low is None else found.low
    above = found.mean if found.high is None else found.high
    if below > low and above < high:
        verdict = Verdict.MET
    elif above <= low or below >= high:
        verdict = Verdict.NOT_MET
    else:
        verdict = Verdict.NOT_DECIDABLE
    return Finding(text, found, verdict, *limits, words)


@dataclass(frozen=True, slots=True)
class Sweep:
    """Curves of one sweep with the tests the claims are made of."""

    service: Service
    curves: Curves

    def _at(self, place: str) -> int:
        places = PLACES[self.service]
        return places.index(self.service, getattr(places, place))

    def _change(self, figure: str, first: str, second: str) -> Estimate | None:
        return change(self.curves[figure], self._at(first), self._at(second))

    def _judge(self, figure: str, first: str, second: str, low: float, high: float) -> Finding:
        text = f"{figure} from {first} to {second}"
        words = f"change of {WORDS.get(figure, figure)} from {self._said(first)} to {self._said(second)} saturation"
        return judge_change(text, self._change(figure, first, second), low, high, words)

    def _said(self, place: str) -> str:
        return f"{getattr(PLACES[self.service], place):g} ×"

    def rises(self, figure: str, first: str, second: str) -> Finding:
        return self._judge(figure, first, second, CHANGE_FRACTION, np.inf)

    def falls(self, figure: str, first: str, second: str) -> Finding:
        return self._judge(figure, first, second, -np.inf, -CHANGE_FRACTION)

    def does_not_rise(self, figure: str, first: str, second: str) -> Finding:
        return self._judge(figure, first, second, -np.inf, CHANGE_FRACTION)

    def flat(self, figure: str, first: str, second: str) -> Finding:
        return self._judge(figure, first, second, -FLAT_FRACTION, FLAT_FRACTION)

    def never_falls(self, figure: str, first: str, second: str) -> list[Finding]:
        """No step of the grid between the two places loses more than the tolerance."""
        found = []
        for i in range(self._at(first), self._at(second)):
            steps = grid(self.service)
            text = f"{figure} from {steps[i]:g} to {steps[i + 1]:g}"
            words = (
                f"change of {WORDS.get(figure, figure)} from {steps[i]:g} × to {steps[i + 1]:g} × saturation"
            )
            step = change(self.curves[figure], i, i + 1)
            found.append(judge_change(text, step, -CHANGE_FRACTION, np.inf, words))
        return found

    def gains_more(self, first: str, second: str) -> list[Finding]:
        """TREE rises, and by more than EE."""
        return [self.rises("tree", first, second), self._exceeds(first, second, 1.0)]

    def loses_more(self, first: str, second: str) -> list[Finding]:
        """TREE falls and EE does not rise, and TREE's fall is the larger."""
        return [
            self.falls("tree", first, second),
            self.does_not_rise("ee", first, second),
            self._exceeds(first, second, -1.0),
        ]

    def _exceeds(self, first: str, second: str, direction: float) -> Finding:
        """TREE's relative change exceeds EE's in ``direction``: 1 as a gain, -1 as a loss."""
        word = "gain" if direction > 0 else "loss"
        text = f"tree's {word} less ee's, {first} to {second}"
        at = self._at(first), self._at(second)
        tree, ee = (_influence(self.curves[figure], *at) for figure in ("tree", "ee"))
        words = (
            f"TREE's {word} less EE's, from {self._said(first)} to {self._said(second)} saturation, in points"
        )
        if tree is None or ee is None:
            return Finding(text, None, Verdict.NOT_DECIDABLE, CHANGE_FRACTION, None, words)
        each = direction * (tree[0] - ee[0] + tree[1] - ee[1])
        found = estimate(each.tolist(), CONFIDENCE_FRACTION)
        return judge_change(text, found, CHANGE_FRACTION, np.inf, words)
