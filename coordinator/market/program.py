"""The one model of methods.md section 1, (D0)-(D8), over a horizon, in pairwise form or through a hub: a fleet in, a
program out.

The pattern is in layout.py, the numbers are in numbers.py; neither names a solver.
Scaling: energy columns and rows are in units of ``joules_per_unit`` (about a node's static energy in a
slot), the objective in units of ``grams_per_unit`` (a unit of energy at the mean intensity), so that costs
and coefficients are near 1 and the solver's absolute tolerances mean something. ``scaled=False`` keeps J and
g, for an exported file."""

from __future__ import annotations

from dataclasses import dataclass

from carbon_data.stored_value import StoredValue
from coordinator.market.fleet import Bools, Fleet, Floats
from coordinator.market.layout import Layout, Restrictions, Shape, layout_for
from coordinator.market.numbers import bounds, costs, matrix, numbers, right_hand_sides

HUB_FROM = 12
"""Nodes from which a decision's program goes through a hub, where losses factor and no node may sleep."""


HUB_SLOTS = 2_400
"""Nodes times slots of a plan through a hub, times the slots in which a batch may run, that take half a CPU second:
DETA on the reference day takes 0.29 s at 1,920 where no work waits, 0.35 s at 1,920 and 0.50 s at 2,304 where it may
wait three slots (2026-11-30, two cores beside other work). Time grows with the power 1.3, and 2 where work waits."""


def fits_hub(fleet: Fleet) -> bool:
    """Whether the program of ``fleet`` is smaller through a hub, and the same."""
    return fleet.size >= HUB_FROM and fleet.loss_fraction is None and not fleet.limits.may_sleep


def hub_slots(nodes: int, deadline_slots: int) -> int:
    """Most slots of a plan through a hub, at least 1, that still takes about half a CPU second."""
    return max(HUB_SLOTS // (nodes * (deadline_slots + 1)), 1)


@dataclass(frozen=True, slots=True)
class Program:
    """min cost'y, row_lower <= A y <= row_upper, column_lower <= y <= column_upper, in the layout's order."""

    layout: Layout
    fleet: Fleet
    restrictions: Restrictions
    cost: Floats
    column_lower: Floats
    column_upper: Floats
    row_lower: Floats
    row_upper: Floats
    values: Floats
    """Non-zeros in compressed-column order (layout.column_start, layout.row_index)."""
    integer: Bools
    """Columns that must be whole: a_i(t)."""
    joules_per_unit: float
    grams_per_unit: float
    whole_batches: bool
    capacity_batches: Floats
    """(N, H) most batches a node can run in a slot when awake throughout."""
    wake_batches: Floats
    """(N, H) of these, what waking up costs in time."""
    guest_room_batches: Floats
    """(N, H) most guest batches its storage holds; infinite where a batch has no bytes."""
    class_batches: Floats
    """(N, C) d_i(r) by class."""
    class_room_batches: Floats
    """(N, C) right-hand side of (D5)."""
    late_batches: Floats
    """(N, C) of these, work whose deadline lies beyond the horizon."""
    quiet_costs: dict[str, float]
    """Tie-break in the cost of each of ``w`` and ``x``, or ``O`` and ``X``, program units; empty without one."""
    stored_value: StoredValue | None
    """(D9): worth of what is stored at the horizon's end; None: the fleet's own, the same for every joule."""
    model_share_j: Floats
    """(N, H) part of m_i(t) that (D1) takes as a share on every batch (participation.py)."""

    def quiet_cost(self, values: Floats) -> float:
        """Part of the objective of ``values`` that is the tie-break alone."""
        return sum(
            each * float(values[self.layout.columns[name]].sum()) for name, each in self.quiet_costs.items()
        )

    @property
    def is_mixed_integer(self) -> bool:
        return bool(self.integer.any())


def build(
    fleet: Fleet,
    restrictions: Restrictions,
    *,
    whole_batches: bool = False,
    scaled: bool = True,
    tie_break: bool = True,
    stored_value: StoredValue | None = None,
    hub: bool = False,
) -> Program:
    """The program of ``fleet`` under ``restrictions``.

    whole_batches: tighten (D5) and (D7) to what whole batches can use (floor(b_y d), floor(D/tau),
    floor(S/s)), so that a fractional solution can be rounded without breaking a limit. stored_value: (D9) in place
    of the fleet's own worth of what is stored at the end. hub: flows by node to and from a hub, with the same optimum;
    raises ValueError where losses do not factor."""
    if hub and fleet.loss_fraction is not None:
        raise ValueError(
            "losses are given by pair, and a hub needs export and import efficiencies; give those"
        )
    sleep = fleet.limits.may_sleep
    carries = restrictions.transfers and fleet.limits.transfer_cap_over == "horizon"
    steps = 0 if stored_value is None else stored_value.grams_per_j.shape[1]
    shape = Shape(
        fleet.size, fleet.horizon, fleet.limits.deadline_slots, restrictions, sleep, carries, steps, hub
    )
    layout = layout_for(shape)
    given = numbers(layout, fleet, restrictions, stored_value, whole_batches=whole_batches, scaled=scaled)
    cost, quiet_costs = costs(given, tie_break)
    column_lower, column_upper, integer = bounds(given)
    row_lower, row_upper = right_hand_sides(given)
    return Program(
        layout=layout,
        fleet=fleet,
        restrictions=restrictions,
        cost=cost,
        column_lower=column_lower,
        column_upper=column_upper,
        row_lower=row_lower,
        row_upper=row_upper,
        values=matrix(given),
        integer=integer,
        joules_per_unit=given.unit_j,
        grams_per_unit=given.unit_g,
        whole_batches=whole_batches,
        capacity_batches=given.capacity,
        wake_batches=given.wake,
        guest_room_batches=given.guest_room,
        class_batches=given.work.batches,
        class_room_batches=given.work.room,
        late_batches=given.work.late,
        quiet_costs=quiet_costs,
        stored_value=stored_value,
        model_share_j=given.model.share_j,
    )
