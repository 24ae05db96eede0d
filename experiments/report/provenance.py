"""Provenance of a figure: derived from the provenance of its lines, never written by hand.

A figure is measured only where every joule in it was metered. Where a constant enters (a factor, a rating, a slot's
length on the board), it is modelled, or measured and modelled where the joules were metered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pandas as pd

from carbon_data.types import Provenance
from experiments.report import units
from experiments.report.baselines import is_worked_out
from experiments.report.read import Run, Study

ORDER = (Provenance.MEASURED.value, Provenance.REPLAYED.value, Provenance.MODELLED.value)


class Kind(StrEnum):
    """The word for a figure's provenance."""

    MEASURED = "measured"
    REPLAYED = "replayed"
    MODELLED = "modelled"
    MIXED = "mixed"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Known:
    """Provenance of one figure."""

    shares: tuple[tuple[str, float], ...]
    """(provenance, share of the joules), in ORDER; empty: no line at all."""
    has_constants: bool = False
    """Whether constants enter in addition to the joules."""
    missing_fraction: float = 0.0
    """Share of the node-slots that have no reading: the figure is a lower bound."""

    @property
    def parts(self) -> tuple[str, ...]:
        """Provenances of the figure's lines, in ORDER."""
        found = {name for name, _ in self.shares}
        if self.has_constants and found:
            found.add(Provenance.MODELLED.value)
        return tuple(sorted(found, key=_rank))

    @property
    def kind(self) -> Kind:
        if not self.parts:
            return Kind.MISSING
        return Kind(self.parts[0]) if len(self.parts) == 1 else Kind.MIXED

    @property
    def text(self) -> str:
        """E.g. ``modelled`` or ``measured and modelled, 40.0 % of joules measured``."""
        parts = self.parts
        if not parts:
            return Kind.MISSING.value
        said = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
        if len(self.shares) > 1:
            first, share = self.shares[0]
            said += f", {_part(share)} of joules {first}"
        elif len(parts) > 1:
            said += f": joules {parts[0]}, constants modelled"
        if self.missing_fraction > 0:
            said += f"; {_part(self.missing_fraction)} of node-slots missing"
        return said

    def as_dict(self) -> dict[str, Any]:
        """For JSON; ``from_dict`` reads it back."""
        return {
            "kind": self.kind.value,
            "text": self.text,
            "joules_fraction": dict(self.shares),
            "has_constants": self.has_constants,
            "missing_node_slots_fraction": self.missing_fraction,
        }

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Known:
        return cls(
            tuple(found["joules_fraction"].items()),
            found["has_constants"],
            found["missing_node_slots_fraction"],
        )


COUNTED = Known(((Provenance.MEASURED.value, 1.0),))
"""Provenance of figures that were counted, timed or evaluated in the run itself, without joules or constants."""
CONSTANT = Known(((Provenance.MODELLED.value, 1.0),))
"""Provenance of figures from constants."""


def board_time(run: Run) -> Known:
    """Provenance of the time of slots: measured by the boards on the wall clock, a constant of the scenario else."""
    return COUNTED if run.on_wall_clock else CONSTANT


def joules_by_provenance(lines: pd.DataFrame) -> dict[str, float]:
    """Energy of ``lines`` (energy_j, provenance) by provenance, J."""
    energy = lines.groupby("provenance")["energy_j"].sum()
    return {str(name): float(joules) for name, joules in energy.items()}


def known_from(
    joules: Mapping[str, float], *, has_constants: bool = False, missing_fraction: float = 0.0
) -> Known:
    """Provenance of a figure over ``joules``, by provenance. Lines without energy are ignored where others have
    some."""
    total = sum(joules.values())
    shares = {
        name: energy / total if total > 0 else 1.0 / len(joules)
        for name, energy in joules.items()
        if energy > 0 or total <= 0
    }
    ordered = tuple((name, shares[name]) for name in sorted(shares, key=_rank))
    return Known(ordered, has_constants, missing_fraction)


def known_of(*runs: Run, stages: tuple[str, ...] = (), has_constants: bool = False) -> Known:
    """Provenance of a figure over all energy of ``runs``, or over that of ``stages`` only."""
    lines = pd.concat([run.tables["lines"][["stage", "provenance", "energy_j"]] for run in runs])
    if stages:
        lines = lines[lines["stage"].isin(stages)]
    return known_from(
        joules_by_provenance(lines), has_constants=has_constants, missing_fraction=missing_fraction(*runs)
    )


def known_of_reduction(study: Study, policy: str, baseline: str) -> Known:
    """From the lines of both, over the seeds that both have; a GRID computed from LOCAL's ledger is a model of what
    was not run."""
    worked_out = is_worked_out(study, baseline)
    before, after = study.runs.get("local" if worked_out else baseline, {}), study.runs[policy]
    paired = [seed for seed in after if seed in before]
    runs = [by_seed[seed] for by_seed in (before, after) for seed in paired]
    return known_of(*runs, has_constants=worked_out) if runs else Known(())


def missing_fraction(*runs: Run) -> float:
    """Share of the node-slots of ``runs`` without a reading."""
    slots = [run.tables["slots"] for run in runs]
    gaps = sum(int((~frame["metered"]).sum()) for frame in slots)
    return gaps / sum(len(frame) for frame in slots)


def _rank(name: str) -> tuple[int, str]:
    return (ORDER.index(name) if name in ORDER else len(ORDER), name)


def _part(share: float) -> str:
    """A share between 0 and 1 is never shown as 0 % or 100 %."""
    if 0.0 < share < 0.0005:
        return f"under {units.percent(0.001)}"
    if 0.9995 <= share < 1.0:
        return f"over {units.percent(0.999)}"
    return units.percent(share)
