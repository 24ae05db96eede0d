"""The one model of methods.md section 1, (D0)-(D8), over a horizon, in pairwise form: a fleet in, a program
out.

``fill`` puts the numbers of a ``Fleet`` into the pattern of layout.py, vectorised; it names no solver.
Scaling: energy columns and rows are in units of ``joules_per_unit`` (about a node's static energy in a
slot), the objective in units of ``grams_per_unit`` (a unit of energy at the mean intensity), so that costs
and coefficients are near 1 and the solver's absolute tolerances mean something. ``scaled=False`` keeps J and
g, for an exported file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from carbon_data.stored_value import StoredValue
from carbon_data.units import JOULES_PER_KWH
from coordinator.market.fleet import Bools, Fleet, Floats
from coordinator.market.layout import Layout, Restrictions, Shape, layout_for
from coordinator.market.participation import last_slots, model_energy

TIE_BREAK = 1e-6
"""Cost of moving a joule or a batch for nothing, as a share of its mean cost: among equal plans the quiet
one."""
DOMINANCE = 100.0
"""How many times dearer an unserved batch is than the dearest way of running it."""
_EPSILON = 1e-9


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
    """Tie-break in the cost of each of ``w`` and ``x``, program units; empty without one."""
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
) -> Program:
    """The program of ``fleet`` under ``restrictions``.

    whole_batches: tighten (D5) and (D7) to what whole batches can use (floor(b_y d), floor(D/tau),
    floor(S/s)), so that a fractional solution can be rounded without breaking a limit. stored_value: (D9) in place
    of the fleet's own worth of what is stored at the end."""
    sleep = fleet.limits.may_sleep
    carries = restrictions.transfers and fleet.limits.transfer_cap_over == "horizon"
    steps = 0 if stored_value is None else stored_value.grams_per_j.shape[1]
    shape = Shape(fleet.size, fleet.horizon, fleet.limits.deadline_slots, restrictions, sleep, carries, steps)
    return fill(
        layout_for(shape),
        fleet,
        restrictions,
        whole_batches=whole_batches,
        scaled=scaled,
        tie_break=tie_break,
        stored_value=stored_value,
    )


def fill(
    layout: Layout,
    fleet: Fleet,
    restrictions: Restrictions,
    *,
    whole_batches: bool = False,
    scaled: bool = True,
    tie_break: bool = True,
    stored_value: StoredValue | None = None,
) -> Program:
    """Numbers of ``fleet`` in the pattern of ``layout``."""
    n, h = fleet.size, fleet.horizon
    duration = fleet.slot_s
    i, j = layout.owner, layout.executor
    slots = layout.entry_slot
    static_j = duration * fleet.static_w
    asleep_j = duration * fleet.sleep_w if fleet.limits.may_sleep else static_j

    c_g_per_j = fleet.intensity_g_per_kwh / JOULES_PER_KWH
    mean_g_per_j = float(c_g_per_j.mean()) or 1.0 / JOULES_PER_KWH
    unit_j = (
        _power_of_two(max(float(static_j.mean()), float(fleet.joules_per_batch.mean()), 1e-6))
        if scaled
        else 1.0
    )
    unit_g = mean_g_per_j * unit_j if scaled else 1.0

    batches, late, room = _work(layout, fleet, whole_batches)
    capacity, wake = _time_limits(fleet, batches.sum(), whole_batches)
    guest_room = _guest_room(fleet, whole_batches)

    # --- terms of the matrix, under the names of layout._connect; energy in units, work in batches
    model = model_energy(fleet, restrictions.offloading)
    per_batch_j = fleet.joules_per_batch + model.share_j
    size = fleet.bytes_per_batch
    charge_efficiency = np.where(fleet.battery_capacity_j > 0, fleet.charge_efficiency, 1.0)
    discharge_efficiency = np.where(fleet.battery_capacity_j > 0, fleet.discharge_efficiency, 1.0)
    terms: dict[str, Floats] = {
        "D1.home": -per_batch_j[:, slots] / unit_j,
        "D3.B_before": (fleet.self_discharge_fraction - 1.0)[:, None],
        "D3.bp": -charge_efficiency[:, None],
        "D3.bm": (1.0 / discharge_efficiency)[:, None],
    }
    if restrictions.offloading:
        received_j = per_batch_j + fleet.guest_j()
        terms["D1.w_executor"] = (-received_j / unit_j)[j]
        terms["D1.w_owner"] = (-fleet.owner_j() / unit_j)[i]
    if restrictions.transfers:
        terms["D2.x_recipient"] = fleet.transfer_efficiency()[i, j][:, None]
    if layout.shape.sleep:
        terms |= {
            "D1.a": -(static_j - asleep_j)[:, None] / unit_j,
            "D1.z": -fleet.wake_j[:, None] / unit_j,
            "D7t.a": -capacity,
            "D7t.z": wake,
        }
    values = layout.coefficients.copy()
    for name, (place, block) in layout.supplied.items():
        values[place].reshape(block)[...] = terms[name]

    # --- (D0) and bounds
    col, row = layout.columns, layout.rows
    cost = np.zeros(layout.num_columns)
    lower = np.zeros(layout.num_columns)
    upper = np.full(layout.num_columns, np.inf)
    cost[col["g"]] = c_g_per_j * unit_j
    if stored_value is None:
        cost[col["B"][:, -1]] = -fleet.stored_value_g_per_j * unit_j
    else:
        cost[col["v"]] = -stored_value.grams_per_j * unit_j
        upper[col["v"]] = stored_value.widths_j / unit_j
        upper[col["v"][:, -1]] = np.inf
    penalty = _penalty(fleet)
    cost[col["unserved"]] = penalty
    upper[col["unserved"]] = batches - late
    if "left" in col:
        cost[col["left"]] = penalty / 3.0
        upper[col["left"]] = late
    closed = _closed_entries(layout, fleet)
    for name in ("home", "away"):
        if name in col:
            upper[col[name][:, closed]] = 0.0
    has_store = (fleet.battery_capacity_j > 0) & restrictions.harvest
    upper[col["B"]] = np.maximum(fleet.battery_capacity_j, fleet.battery_j)[:, None] / unit_j
    upper[col["bp"]] = (duration * fleet.charge_limit_w * has_store)[:, None] / unit_j
    upper[col["bm"]] = (duration * fleet.discharge_limit_w * has_store)[:, None] / unit_j
    quiet_g = TIE_BREAK * mean_g_per_j if tie_break else 0.0
    quiet_costs: dict[str, float] = {}
    if restrictions.offloading:
        middle = 0.5 * (c_g_per_j[i] + c_g_per_j[j])
        moved_j = fleet.limits.net_j_per_byte * size
        quiet_costs["w"] = quiet_g * max(float(fleet.joules_per_batch.mean()), 1e-6) / unit_g
        cost[col["w"]] = middle * moved_j + quiet_costs["w"] * unit_g
        upper[col["w"][:, ~fleet.offloadable]] = 0.0
        if layout.split:
            upper[col["away"][:, ~fleet.offloadable[slots]]] = 0.0
    if restrictions.transfers:
        quiet_costs["x"] = quiet_g * unit_j / unit_g
        cost[col["x"]] = quiet_g * unit_j
    integer = np.zeros(layout.num_columns, dtype=bool)
    if layout.shape.sleep:
        upper[col["a"]] = 1.0
        upper[col["z"]] = 1.0
        integer[col["a"]] = True
    cost /= unit_g

    # --- right-hand sides
    row_lower = np.full(layout.num_rows, -np.inf)
    row_upper = np.full(layout.num_rows, np.inf)
    harvest_j = fleet.harvest_j if restrictions.harvest else np.zeros((n, h))

    def equal(name: str, right: Floats | float) -> None:
        row_lower[row[name]] = right
        row_upper[row[name]] = right

    equal("D1_energy_use", (asleep_j[:, None] + model.fixed_j) / unit_j)
    equal("D2_green_bus", -harvest_j / unit_j)
    start = np.zeros((n, h))
    start[:, 0] = (1.0 - fleet.self_discharge_fraction) * fleet.battery_j / unit_j
    equal("D3_battery", start)
    if stored_value is not None:
        equal("D9_stored_value", 0.0)
    equal("D4_all_work_done", batches)
    if layout.split:
        equal("D4_split", 0.0)
    if restrictions.offloading:
        row_upper[row["D5_offload_cap"]] = room
        row_upper[row["D7_storage"]] = guest_room
    if restrictions.transfers:
        row_upper[row["D6_transfer_cap"]] = fleet.transfer_caps_j() * restrictions.harvest / unit_j
    row_upper[row["D7_time"]] = 0.0 if layout.shape.sleep else capacity
    if layout.shape.sleep:
        row_lower[row["D8_wake_up"]] = 0.0
        row_lower[row["D8_wake_up"][:, 0]] = fleet.asleep.astype(float) - 1.0

    return Program(
        layout=layout,
        fleet=fleet,
        restrictions=restrictions,
        cost=cost,
        column_lower=lower,
        column_upper=upper,
        row_lower=row_lower,
        row_upper=row_upper,
        values=values[layout.permutation],
        integer=integer,
        joules_per_unit=unit_j,
        grams_per_unit=unit_g,
        whole_batches=whole_batches,
        capacity_batches=capacity,
        wake_batches=wake,
        guest_room_batches=guest_room,
        class_batches=batches,
        class_room_batches=room,
        late_batches=late,
        quiet_costs=quiet_costs,
        stored_value=stored_value,
        model_share_j=model.share_j,
    )


def _closed_entries(layout: Layout, fleet: Fleet) -> Bools:
    """(E,) entries of layout's windows that come after the last slot of released work."""
    last = last_slots(fleet)[layout.class_first[layout.entry_class]]
    released = layout.entry_class >= layout.backlog_classes
    return np.asarray(released & (layout.entry_slot > last))


def _power_of_two(value: float) -> float:
    """The power of two next below: scaling by it costs no accuracy."""
    return float(2.0 ** np.floor(np.log2(value)))


def _floor(value: Floats) -> Floats:
    """Floor that forgives rounding error just below a whole number."""
    return np.floor(value + _EPSILON)


def _work(layout: Layout, fleet: Fleet, whole: bool) -> tuple[Floats, Floats, Floats]:
    """(N, C) batches, those due beyond the horizon, and offload room, by class."""
    h = fleet.horizon
    known = layout.backlog_classes
    last = last_slots(fleet)
    cap = fleet.limits.offload_cap_fraction
    backlog = fleet.backlog_batches.astype(float)
    release = fleet.release_batches.astype(float)
    backlog_room = (
        cap * backlog if fleet.offload_room_batches is None else fleet.offload_room_batches.astype(float)
    )
    release_room = cap * release
    if whole:
        backlog_room, release_room = _floor(backlog_room), _floor(release_room)

    def merge(by_deadline: Floats) -> Floats:
        """Classes due at or after the horizon's end share one window, so they are one class."""
        return np.column_stack([by_deadline[:, : known - 1], by_deadline[:, known - 1 :].sum(axis=1)])

    late = np.zeros((fleet.size, layout.classes))
    late[:, known - 1] = backlog[:, h:].sum(axis=1)
    late[:, known:] = np.where(last[1:] > h - 1, release, 0.0)
    return (
        np.column_stack([merge(backlog), release]),
        late,
        np.column_stack([merge(backlog_room), release_room]),
    )


def _time_limits(fleet: Fleet, all_batches: float, whole: bool) -> tuple[Floats, Floats]:
    """(D7) in batches: (N, H) capacity of a slot, and what a wake-up takes of it.

    Never more than all the work there is, so that the relaxation of a_i(t) is as tight as it can be.
    """
    tau = fleet.seconds_per_batch
    usable_s = np.maximum(fleet.slot_s - fleet.wake_s, 0.0)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        full = np.where(tau > 0, fleet.slot_s / tau, all_batches)
        woken = np.where(tau > 0, usable_s / tau, np.where(usable_s > 0, all_batches, 0.0))
    if whole:
        full, woken = _floor(full), _floor(woken)
    full, woken = np.minimum(full, all_batches), np.minimum(woken, all_batches)
    return full, full - woken


def _guest_room(fleet: Fleet, whole: bool) -> Floats:
    size = np.broadcast_to(fleet.bytes_per_batch, (fleet.size, fleet.horizon))
    with np.errstate(divide="ignore", invalid="ignore"):
        room = np.where(size > 0, fleet.storage_bytes[:, None] / size, np.inf)
    return _floor(room) if whole else room


def _penalty(fleet: Fleet) -> float:
    """Grams for an unserved batch that no saving of energy can outweigh: DOMINANCE times the dearest way to
    run one (a node woken for it, the batch sent there), every joule at the highest intensity."""
    limits, size = fleet.limits, float(fleet.bytes_per_batch.max())
    radio = float(fleet.tx_j_per_byte.max() + fleet.rx_j_per_byte.max()) + limits.net_j_per_byte
    dearest_j = float(fleet.joules_per_batch.max()) + size * radio
    if fleet.model_j is not None:
        dearest_j += float(fleet.model_j.max())
    if limits.may_sleep:
        dearest_j += fleet.slot_s * float(fleet.static_w.max()) + float(fleet.wake_j.max())
    worst_g_per_j = max(
        float(fleet.intensity_g_per_kwh.max()) / JOULES_PER_KWH, float(fleet.stored_value_g_per_j.max())
    )
    return DOMINANCE * max(dearest_j, 1e-3) * max(worst_g_per_j, 1.0 / JOULES_PER_KWH)
