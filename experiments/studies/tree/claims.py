"""The sixteen claims of section IV of the TREE paper as predicates over paired seeds.

Rule, the same for all. A claim is a list of conditions; a condition compares a figure at two fixed places of the
sweep (``conditions.py``): met when the whole interval lies on the claimed side of its tolerance, not met when the
whole interval lies on the other, else not decidable. A claim is met when all its conditions are, not met when one is
not. A claim that names a direction has the direction among its conditions. The places are positions relative to
saturation (see ``settings.py``), the same in every setting; none is looked for in the results.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from experiments.report.claims.figure import ClaimFigure, Kind
from experiments.studies.tree.conditions import CONFIDENCE_FRACTION, Curves, Finding, Reader, Sweep, Verdict
from experiments.studies.tree.model import Service


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim: the paper's words in short, and its conditions."""

    name: str
    sweep: Service
    paper: str
    conditions: Callable[[Sweep], list[Finding]]
    counted: bool = True
    """False for the same claim read in bits instead of tokens: shown, not one of the sixteen."""

    @property
    def sentence(self) -> str:
        """The claim as people read it."""
        return f"As {self.sweep.name} traffic grows, {self.paper}."


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
        "both fall, TREE more strongly than EE",
        lambda s: s.loses_more("knee", "high"),
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
        lambda s: s.gains_more("start", "high"),
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
    reads: frozenset[str]
    """Figures that the conditions looked at."""
    digest: str
    """Of the values of those figures: two settings with the same one cannot differ in this claim."""
    by_construction: str = ""
    """What gives this verdict without any simulation (``experiments.studies.tree.fluid``), where something does."""

    @property
    def decisive(self) -> tuple[Finding, ...]:
        """The findings that decide: those not met, else those not decidable, else all."""
        for wanted in (Verdict.NOT_MET, Verdict.NOT_DECIDABLE):
            chosen = tuple(finding for finding in self.findings if finding.verdict is wanted)
            if chosen:
                return chosen
        return self.findings

    @property
    def figure(self) -> ClaimFigure:
        """The change that decides first, with its interval and the side on which the claim holds."""
        one = self.decisive[0]
        shown = ClaimFigure(one.words, Kind.FRACTION, at_least=one.at_least, at_most=one.at_most)
        if one.change is None:
            return shown
        low, high = one.change.low, one.change.high
        interval = f"{CONFIDENCE_FRACTION:.0%} interval over {one.change.n} seeds" if low is not None else ""
        return replace(shown, ours=one.change.mean, low=low, high=high, interval=interval)

    @property
    def ours(self) -> str:
        """What was measured, in words and numbers."""
        return "; ".join(str(finding) for finding in self.decisive[:3])


def against_fluid(measured: Judgement, expected: Judgement) -> Judgement:
    """``measured``, marked where ``expected``, the same claim on fluid curves, has the same verdict."""
    if measured.verdict is Verdict.NOT_DECIDABLE or measured.verdict is not expected.verdict:
        return measured
    said = f"rates, sizes, buffers and powers alone, without queueing, give {expected.ours}"
    return replace(measured, by_construction=said)


def judge(claim: Claim, curves: Curves) -> Judgement:
    """Evaluate one claim on the curves of its sweep: ee, tree, tokens, vu_per_s, ai_bits_per_s and powers."""
    reader = Reader(curves)
    findings = tuple(claim.conditions(Sweep(claim.sweep, reader)))
    verdicts = {finding.verdict for finding in findings}
    if Verdict.NOT_MET in verdicts:
        verdict = Verdict.NOT_MET
    elif Verdict.NOT_DECIDABLE in verdicts:
        verdict = Verdict.NOT_DECIDABLE
    else:
        verdict = Verdict.MET
    reads = frozenset(reader.used)
    digest = hashlib.sha256()
    for figure in sorted(reads):
        digest.update(figure.encode() + np.ascontiguousarray(curves[figure], dtype=np.float64).tobytes())
    return Judgement(claim, verdict, findings, reads, digest.hexdigest())
