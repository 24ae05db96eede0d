"""Seed after seed until one fails; a failing seed is shrunk, and printed as the command that repeats it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass

from tests.reliability.simulation.faults import surroundings
from tests.reliability.simulation.variants import VARIANTS
from tests.reliability.simulation.world import NODES, SECONDS, Outcome, simulate


@dataclass(frozen=True)
class Failure:
    """The smallest case found of a failing seed: of its faults only ``keep`` (by number), until ``until_s``."""

    seed: int
    variant: str
    keep: tuple[int, ...]
    until_s: float
    violations: tuple[tuple[str, str], ...]

    @property
    def command(self) -> str:
        kept = ",".join(map(str, self.keep)) or "none"
        broken = f" --variant {self.variant}" if self.variant else ""
        told = f"--seed {self.seed} --keep {kept} --until {self.until_s:g}{broken}"
        return f"python -m tests.reliability.simulation {told}"

    def __str__(self) -> str:
        said = "\n".join(f"  {promise}: {what}" for promise, what in self.violations)
        return f"seed {self.seed} breaks a promise:\n{said}\n  repeat it: {self.command}"


def run(
    seed: int, variant: str = "", keep: tuple[int, ...] | None = None, until_s: float = SECONDS
) -> Outcome:
    """One seed, of the product as it is or of a broken variant."""
    with VARIANTS[variant]() if variant else contextlib.nullcontext():
        return simulate(seed, keep=keep, until_s=until_s)


def first_failure(seeds: Iterable[int], variant: str = "") -> tuple[Failure | None, int]:
    """The first failing seed, shrunk, and how many were run."""
    count = 0
    for seed in seeds:
        count += 1
        outcome = run(seed, variant)
        if outcome.violations:
            return shrink(outcome, variant), count
    return None, count


def shrink(failed: Outcome, variant: str = "") -> Failure:
    """Fewer faults, then less time, while a promise is still broken."""
    keep = tuple(range(len(surroundings(failed.seed, SECONDS, NODES).faults)))
    best = failed
    for fault in reversed(keep):
        fewer = tuple(each for each in keep if each != fault)
        tried = run(failed.seed, variant, fewer)
        if tried.violations:
            keep, best = fewer, tried
    until_s = round(best.ended_s + 0.01, 2)
    if until_s >= SECONDS or not run(failed.seed, variant, keep, until_s).violations:
        until_s = SECONDS
    return Failure(failed.seed, variant, keep, until_s, best.violations)
