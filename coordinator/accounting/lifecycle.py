"""Life-cycle attribution (methods.md section 4): a node's grid energy and its emissions, by energy line.

Pure, in integers: the parts sum exactly to the whole. Stages are software stages, not hardware LCA stages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from carbon_data.units import JOULES_PER_KWH, MICRO
from coordinator.accounting.spread import spread
from protos.messages.slot import EnergyLine
from protos.messages.terms import Component, Stage


@dataclass(frozen=True, slots=True)
class AttributedLine:
    """Energy of one stage and component, how much of it came from the grid, and the emissions of that."""

    stage: Stage
    component: Component
    energy_uj: int
    grid_uj: int
    operational_pg: int
    provenance: str


def operational_pg(grid_uj: int, intensity_g_per_kwh: float) -> int:
    """One term of (L1): picograms CO2e of ``grid_uj`` microjoules, rounded half to even.

    Exact rational arithmetic, so that a replay on another machine books the same picogram.
    """
    return round(emitted_pg(grid_uj, intensity_g_per_kwh))


def emitted_pg(grid_uj: int, intensity_g_per_kwh: float) -> Fraction:
    """One term of (L1), exact: E / 3.6e6 J/kWh * c; from uJ to pg another factor of 10^6 remains."""
    return Fraction(grid_uj) * Fraction(intensity_g_per_kwh) * MICRO / Fraction(JOULES_PER_KWH)


def attribute(
    lines: Sequence[EnergyLine], grid_uj: int, intensity_g_per_kwh: float
) -> tuple[AttributedLine, ...]:
    """(L1), (L2): a slot's grid energy and emissions over the node's lines, in proportion to energy.

    Invariant: attributed lines (``unallocated`` included) sum exactly to the metered energy, to ``grid_uj``
    and to the slot's emissions. Raises ValueError when there is grid energy and no line.
    """
    weights = [line.energy_uj for line in lines]
    grids = spread(grid_uj, weights)
    grams = spread(operational_pg(grid_uj, intensity_g_per_kwh), weights)
    return tuple(
        AttributedLine(line.stage, line.component, line.energy_uj, grid, gram, str(line.provenance))
        for line, grid, gram in zip(lines, grids, grams, strict=True)
    )


def grid_line(
    stage: Stage, component: Component, energy_uj: int, intensity_g_per_kwh: float, provenance: str
) -> AttributedLine:
    """A line that draws all its energy from the grid: network, coordinator, router, users' devices."""
    grams = operational_pg(energy_uj, intensity_g_per_kwh)
    return AttributedLine(stage, component, energy_uj, energy_uj, grams, provenance)


def waste_from(
    lines: Sequence[EnergyLine], stage: Stage, wasted_batches: int, executed_batches: int
) -> tuple[EnergyLine, ...]:
    """``lines`` with the share of compute energy that went into ``wasted_batches`` moved to WASTE.

    Joules are conserved; a batch that counted elsewhere already, or came too late, still cost them.
    """
    if wasted_batches == 0:
        return tuple(lines)
    result: list[EnergyLine] = []
    for line in lines:
        if line.stage is stage and line.component is Component.COMPUTE:
            wasted = line.energy_uj * wasted_batches // executed_batches
            result.append(EnergyLine(stage, Component.COMPUTE, line.energy_uj - wasted, line.provenance))
            result.append(EnergyLine(stage, Component.WASTE, wasted, line.provenance))
        else:
            result.append(line)
    return tuple(result)
