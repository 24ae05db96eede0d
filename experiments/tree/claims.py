"""The sixteen claims of section IV of the TREE paper as predicates over paired seeds.

Rule, the same for all. A claim is a list of conditions; a condition compares a figure at two fixed places of the
sweep, seed against the same seed, as a change relative to the mean at the first place. From the seeds' changes
comes a Student-t interval at ``CONFIDENCE_FRACTION``; a condition is met when the whole interval lies on the
claimed side of its tolerance, not met when the whole interval lies on the other, else not decidable. A claim is
met when all its conditions are, not met when one is not. The places are positions relative to saturation (see
``settings.py``), the same in every setting; none is looked for in the results.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from experiments.report.stats import Estimate, estimate
from experiments.tree.model import Service
from experiments.tree.settings import grid

CONFIDENCE_FRACTION = 0.99
CHANGE_FRACTION = 0.02
"""What counts as rising or falling: more than this, relative."""
FLAT_FRACTION = 0.05
"""What counts as flat: less than this, relative, in either direction."""

Curves = Mapping[str, NDArray[np.float64]]
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

    def __str__(self) -> str:
        if self.change is None or self.change.low is None or self.change.high is None:
            return f"{self.text}: nothing to relate to"
        return f"{self.text}: {self.change.mean:+.1%} [{self.change.low:+.1%}, {self.change.high:+.1%}]"


def _changes(values: NDArray[np.float64], first: int, second: int) -> NDArray[np.float64] | None:
    base = float(values[:, first].mean())
    return (values[:, second] - values[:, first]) / base if base > 0 else None


def _judge(text: str, changes: NDArray[np.float64] | None, low: float, high: float) -> Finding:
    """Met when the interval lies within (low, high), not met when it lies wholly outside on one side."""
    if changes is None:
        return Finding(text, None, Verdict.NOT_DECIDABLE)
    change = estimate(changes.tolist(), CONFIDENCE_FRACTION)
    if change.low is None or change.high is None:
        return Finding(text, change, Verdict.NOT_DECIDABLE)
    if change.low > low and change.high < high:
        verdict = Verdict.MET
    elif change.high <= low or change.low >= high:
        verdict = Verdict.NOT_MET
    else:
        verdict = Verdict.NOT_DECIDABLE
    return Finding(text, change, verdict)


@dataclass(frozen=True, slots=True)
class Sweep:
    """Curves of one sweep with the tests the claims are made of."""

    service: Service
    curves: Curves

    def _at(self, place: str) -> int:
        places = PLACES[self.service]
        return places.index(self.service, getattr(places, place))

    def rises(self, figure: str, first: str, second: str) -> Finding:
        changes = _changes(self.curves[figure], self._at(first), self._at(second))
        return _judge(f"{figure} from {first} to {second}", changes, CHANGE_FRACTION, np.inf)

    def falls(self, figure: str, first: str, second: str) -> Finding:
        changes = _changes(self.curves[figure], self._at(first), self._at(second))
        return _judge(f"{figure} from {first} to {second}", changes, -np.inf, -CHANGE_FRACTION)

    def flat(self, figure: str, first: str, second: str) -> Finding:
        changes = _changes(self.curves[figure], self._at(first), self._at(second))
        return _judge(f"{figure} from {first} to {second}", changes, -FLAT_FRACTION, FLAT_FRACTION)

    def never_falls(self, figure: str, first: str, second: str) -> list[Finding]:
        """No step of the grid between the two places loses more than the tolerance."""
        found = []
        for i in range(self._at(first), self._at(second)):
            steps = grid(self.service)
            text = f"{figure} from {steps[i]:g} to {steps[i + 1]:g}"
            found.append(_judge(text, _changes(self.curves[figure], i, i + 1), -CHANGE_FRACTION, np.inf))
        return found

    def exceeds(self, first: str, second: str, *, size: bool) -> Finding:
        """TREE's relative change exceeds EE's: in size, or as a gain."""
        tree = _changes(self.curves["tree"], self._at(first), self._at(second))
        ee = _changes(self.curves["ee"], self._at(first), self._at(second))
        text = f"{'size of ' if size else ''}tree's change less ee's, {first} to {second}"
        if tree is None or ee is None:
            return Finding(text, None, Verdict.NOT_DECIDABLE)
        difference = np.abs(tree) - np.abs(ee) if size else tree - ee
        return _judge(text, difference, CHANGE_FRACTION, np.inf)


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim: the paper's words in short, and its conditions."""

    name: str
    sweep: Service
    paper: str
    conditions: Callable[[Sweep], list[Finding]]
    counted: bool = True
    """False for the same claim read in bits instead of tokens: shown, not one of the sixteen."""


def _both(test: Callable[[str], Finding]) -> list[Finding]:
    return [test("ee"), test("tree")]


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "VR1",
        Service.VR,
        "EE and TREE rise at low rate",
        lambda s: _both(lambda f: s.rises(f, "start", "low")),
    ),
    Claim("VR2", Service.VR, "EE plateaus", lambda s: [s.flat("ee", "high", "settled_to")]),
    Claim(
        "VR3",
        Service.VR,
        "TREE falls beyond the critical rate and settles",
        lambda s: [s.falls("tree", "knee", "high"), s.flat("tree", "settled_from", "settled_to")],
    ),
    Claim("VR4", Service.VR, "token throughput falls", lambda s: [s.falls("tokens", "knee", "high")]),
    Claim("VR5", Service.VR, "edge-server power falls", lambda s: [s.falls("server_w", "knee", "high")]),
    Claim(
        "VU1", Service.VU, "EE and TREE rise at first", lambda s: _both(lambda f: s.rises(f, "start", "low"))
    ),
    Claim(
        "VU2",
        Service.VU,
        "EE and TREE fall after compute saturation",
        lambda s: _both(lambda f: s.falls(f, "knee", "high")),
    ),
    Claim("VU3", Service.VU, "total AI throughput falls", lambda s: [s.falls("tokens", "knee", "high")]),
    Claim(
        "VU4",
        Service.VU,
        "TREE reacts more strongly than EE",
        lambda s: [s.exceeds("knee", "high", size=True)],
    ),
    Claim(
        "VU5", Service.VU, "both settle", lambda s: _both(lambda f: s.flat(f, "settled_from", "settled_to"))
    ),
    Claim("VU6", Service.VU, "memory power falls", lambda s: [s.falls("memory_w", "knee", "high")]),
    Claim(
        "VG1",
        Service.VG,
        "EE and TREE rise monotonically, then stay flat",
        lambda s: [
            finding
            for f in ("ee", "tree")
            for finding in (
                s.rises(f, "start", "knee"),
                *s.never_falls(f, "start", "high"),
                s.flat(f, "settled_from", "settled_to"),
            )
        ],
    ),
    Claim(
        "VG2",
        Service.VG,
        "TREE's relative gain is larger than EE's",
        lambda s: [s.exceeds("start", "high", size=False)],
    ),
    Claim("VG3", Service.VG, "VU throughput falls", lambda s: [s.falls("vu_per_s", "knee", "high")]),
    Claim("VG4", Service.VG, "net AI throughput rises", lambda s: [s.rises("tokens", "knee", "high")]),
    Claim("VG5", Service.VG, "prefill power falls", lambda s: [s.falls("prefill_w", "knee", "high")]),
    Claim(
        "VU3b",
        Service.VU,
        "total AI throughput in bits falls",
        lambda s: [s.falls("ai_bits_per_s", "knee", "high")],
        counted=False,
    ),
    Claim(
        "VG4b",
        Service.VG,
        "net AI throughput in bits rises",
        lambda s: [s.rises("ai_bits_per_s", "knee", "high")],
        counted=False,
    ),
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """A claim in one setting."""

    claim: Claim
    verdict: Verdict
    findings: tuple[Finding, ...]

    @property
    def decisive(self) -> tuple[Finding, ...]:
        """The findings that decide: those not met, else those not decidable, else all."""
        for wanted in (Verdict.NOT_MET, Verdict.NOT_DECIDABLE):
            chosen = tuple(finding for finding in self.findings if finding.verdict is wanted)
            if chosen:
                return chosen
        return self.findings

    @property
    def ours(self) -> str:
        """What was measured, in words and numbers."""
        return "; ".join(str(finding) for finding in self.decisive[:3])


def judge(claim: Claim, curves: Curves) -> Judgement:
    """Evaluate one claim on the curves of its sweep: ee, tree, tokens, vu_per_s, ai_bits_per_s and powers."""
    findings = tuple(claim.conditions(Sweep(claim.sweep, curves)))
    verdicts = {finding.verdict for finding in findings}
    if Verdict.NOT_MET in verdicts:
        verdict = Verdict.NOT_MET
    elif Verdict.NOT_DECIDABLE in verdicts:
        verdict = Verdict.NOT_DECIDABLE
    else:
        verdict = Verdict.MET
    return Judgement(claim, verdict, findings)
