"""The numbers of (D0)-(D8) for one fleet, equation by equation, in the pattern of layout.py.

``Numbers`` holds what several equations share; ``matrix``, ``costs``, ``bounds`` and ``right_hand_sides`` each fill one
part of the program. Energy is in units of ``unit_j``, work in batches, the objective in units of ``unit_g``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from carbon_data.stored_value import StoredValue
from carbon_data.units import JOULES_PER_KWH
from coordinator.market.fleet import Bools, Fleet, Floats
from coordinator.market.layout import Layout, Restrictions
from coordinator.market.participation import ModelEnergy, last_slots, model_energy
from protos.trading.look_ahead import LEFT_PARTS

TIE_BREAK = 1e-6
"""Cost of moving a joule or a batch for nothing, as a share of its mean cost: among equal plans the quiet
one."""
DOMINANCE = 100.0
"""How many times dearer an unserved batch is than the dearest way of running it."""
_EPSILON = 1e-9
_LEAST_J = 1e-6


@dataclass(frozen=True, slots=True)
class Numbers:
    """Values that several equations of one program share."""

    layout: Layout
    fleet: Fleet
    restrictions: Restrictions
    stored_value: StoredValue | None
    c_g_per_j: Floats
    """(N, H) c_i(t)."""
    mean_g_per_j: float
    unit_j: float
    unit_g: float
    static_j: Floats
    """(N,) static load of a slot awake, and asleep where nodes may sleep."""
    asleep_j: Floats
    model: ModelEnergy
    """m_i(t) in its linear forms."""
    work: Work
    capacity: Floats
    """(N, H) of (D7): batches of a slot awake, and what a wake-up takes of them."""
    wake: Floats
    guest_room: Floats
    """(N, H) guest batches that a node's storage holds."""


@dataclass(frozen=True, slots=True)
class Work:
    """(N, C) batches by class of release and deadline."""

    batches: Floats
    """d_i(r)."""
    late: Floats
    """Of these, due beyond the horizon."""
    room: Floats
    """Right-hand side of (D5)."""


def numbers(
    layout: Layout,
    fleet: Fleet,
    restrictions: Restrictions,
    stored_value: StoredValue | None,
    *,
    whole_batches: bool,
    scaled: bool,
) -> Numbers:
    """The shared numbers of ``fleet``."""
    static_j = fleet.slot_s * fleet.static_w
    c_g_per_j = fleet.intensity_g_per_kwh / JOULES_PER_KWH
    mean_g_per_j = float(c_g_per_j.mean()) or 1.0 / JOULES_PER_KWH
    unit_j = 1.0
    if scaled:
        unit_j = _power_of_two(max(float(static_j.mean()), float(fleet.joules_per_batch.mean()), _LEAST_J))
    work = _work(layout, fleet, whole_batches)
    capacity, wake = _time_limits(fleet, work.batches.sum(), whole_batches)
    return Numbers(
        layout=layout,
        fleet=fleet,
        restrictions=restrictions,
        stored_value=stored_value,
        c_g_per_j=c_g_per_j,
        mean_g_per_j=mean_g_per_j,
        unit_j=unit_j,
        unit_g=mean_g_per_j * unit_j if scaled else 1.0,
        static_j=static_j,
        asleep_j=fleet.slot_s * fleet.sleep_w if fleet.limits.may_sleep else static_j,
        model=model_energy(fleet, restrictions.offloading),
        work=work,
        capacity=capacity,
        wake=wake,
        guest_room=_guest_room(fleet, whole_batches),
    )


# --- the matrix -------------------------------------------------------------------------------------------


def matrix(given: Numbers) -> Floats:
    """Non-zeros in compressed-column order; the terms have the names of layout._connect."""
    layout = given.layout
    terms = _energy_use(given) | _green_bus(given) | _battery(given) | _time(given)
    values = layout.coefficients.copy()
    for name, (place, block) in layout.supplied.items():
        values[place].reshape(block)[...] = terms[name]
    return values[layout.permutation]


def _energy_use(given: Numbers) -> dict[str, Floats]:
    """(D1): joules of own batches, of moved ones at both ends, of being awake and of waking up."""
    layout, fleet, unit_j = given.layout, given.fleet, given.unit_j
    per_batch_j = fleet.joules_per_batch + given.model.share_j
    terms = {"D1.home": -per_batch_j[:, layout.entry_slot] / unit_j}
    if given.restrictions.offloading:
        executor_j, owner_j = -(per_batch_j + fleet.guest_j()) / unit_j, -fleet.owner_j() / unit_j
        if layout.shape.hub:
            terms |= {"D1.w_executor": executor_j, "D1.w_owner": owner_j}
        else:
            terms |= {"D1.w_executor": executor_j[layout.executor], "D1.w_owner": owner_j[layout.owner]}
    if layout.shape.sleep:
        terms["D1.a"] = -(given.static_j - given.asleep_j)[:, None] / unit_j
        terms["D1.z"] = -fleet.wake_j[:, None] / unit_j
    return terms


def _green_bus(given: Numbers) -> dict[str, Floats]:
    """(D2): what arrives of a transfer, 1 - l_ij; of energy to and from a hub, out_i and in_j."""
    if not given.restrictions.transfers:
        return {}
    layout, fleet = given.layout, given.fleet
    if layout.shape.hub:
        return {
            "D2.x_recipient": fleet.import_efficiency[:, None],
            "D2.hub": fleet.export_efficiency[:, None],
        }
    return {"D2.x_recipient": fleet.transfer_efficiency(layout.owner, layout.executor)[:, None]}


def _battery(given: Numbers) -> dict[str, Floats]:
    """(D3): sigma, eta_c, 1/eta_d; a node without a battery loses nothing in it."""
    fleet = given.fleet
    charge_efficiency = np.where(fleet.battery_capacity_j > 0, fleet.charge_efficiency, 1.0)
    discharge_efficiency = np.where(fleet.battery_capacity_j > 0, fleet.discharge_efficiency, 1.0)
    return {
        "D3.B_before": (fleet.self_discharge_fraction - 1.0)[:, None],
        "D3.bp": -charge_efficiency[:, None],
        "D3.bm": (1.0 / discharge_efficiency)[:, None],
    }


def _time(given: Numbers) -> dict[str, Floats]:
    """(D7) where nodes may sleep: the capacity of a slot awake, less what waking up takes."""
    return {"D7t.a": -given.capacity, "D7t.z": given.wake} if given.layout.shape.sleep else {}


# --- the objective ----------------------------------------------------------------------------------------


def costs(given: Numbers, tie_break: bool) -> tuple[Floats, dict[str, float]]:
    """(D0), and of it the tie-break of each ``w`` and ``x``, both in units of ``unit_g``."""
    layout, fleet, col = given.layout, given.fleet, given.layout.columns
    cost = np.zeros(layout.num_columns)
    cost[col["g"]] = given.c_g_per_j * given.unit_j
    if given.stored_value is None:
        cost[col["B"][:, -1]] = -fleet.stored_value_g_per_j * given.unit_j
    else:
        cost[col["v"]] = -given.stored_value.grams_per_j * given.unit_j
    penalty = unserved_penalty_g(fleet)
    cost[col["unserved"]] = penalty
    if "left" in col:
        cost[col["left"]] = penalty / LEFT_PARTS
    quiet_g = TIE_BREAK * given.mean_g_per_j if tie_break else 0.0
    quiet: dict[str, float] = {}
    if given.restrictions.offloading:
        moved_j = fleet.limits.net_j_per_byte * fleet.bytes_per_batch
        each = quiet_g * max(float(fleet.joules_per_batch.mean()), _LEAST_J) / given.unit_g
        if layout.shape.hub:
            half_g = 0.5 * given.c_g_per_j * moved_j
            quiet["O"] = each
            cost[col["O"]] = half_g + each * given.unit_g
            cost[col["G"]] = half_g
        else:
            middle = 0.5 * (given.c_g_per_j[layout.owner] + given.c_g_per_j[layout.executor])
            quiet["w"] = each
            cost[col["w"]] = middle * moved_j + each * given.unit_g
    if given.restrictions.transfers:
        sent = "X" if layout.shape.hub else "x"
        quiet[sent] = quiet_g * given.unit_j / given.unit_g
        cost[col[sent]] = quiet_g * given.unit_j
    cost /= given.unit_g
    return cost, quiet


# --- bounds of the variables ------------------------------------------------------------------------------


def bounds(given: Numbers) -> tuple[Floats, Floats, Bools]:
    """(lower, upper) bounds of all variables, and which must be whole: a_i(t). The lower ones are 0, but for a_i(t) of
    slots in which the node cannot sleep."""
    layout, col = given.layout, given.layout.columns
    lower = np.zeros(layout.num_columns)
    upper = np.full(layout.num_columns, np.inf)
    integer = np.zeros(layout.num_columns, dtype=bool)
    _bound_work(given, upper)
    _bound_battery(given, upper)
    if layout.shape.sleep:
        upper[col["a"]] = 1.0
        upper[col["z"]] = 1.0
        integer[col["a"]] = True
        lower[col["a"][~given.fleet.sleepers_by_slot()]] = 1.0
    return lower, upper, integer


def _bound_work(given: Numbers, upper: Floats) -> None:
    """Work only within its window, and away only in stages that may leave."""
    layout, fleet, col, work = given.layout, given.fleet, given.layout.columns, given.work
    upper[col["unserved"]] = work.batches - work.late
    if "left" in col:
        upper[col["left"]] = work.late
    closed = _closed_entries(layout, fleet)
    for name in ("home", "away"):
        if name in col:
            upper[col[name][:, closed]] = 0.0
    if given.restrictions.offloading:
        for name in ("O", "G") if layout.shape.hub else ("w",):
            upper[col[name][:, ~fleet.offloadable]] = 0.0
        if layout.split:
            upper[col["away"][:, ~fleet.offloadable[layout.entry_slot]]] = 0.0


def _bound_battery(given: Numbers, upper: Floats) -> None:
    """(D3): 0 <= B <= Bmax; bp, bm <= P D; (D9): widths of the steps of the stored value, the last one open."""
    fleet, col, unit_j = given.fleet, given.layout.columns, given.unit_j
    has_store = (fleet.battery_capacity_j > 0) & given.restrictions.harvest
    upper[col["B"]] = np.maximum(fleet.battery_capacity_j, fleet.battery_j)[:, None] / unit_j
    upper[col["bp"]] = (fleet.slot_s * fleet.charge_limit_w * has_store)[:, None] / unit_j
    upper[col["bm"]] = (fleet.slot_s * fleet.discharge_limit_w * has_store)[:, None] / unit_j
    if given.stored_value is not None:
        upper[col["v"]] = given.stored_value.widths_j / unit_j
        upper[col["v"][:, -1]] = np.inf


# --- right-hand sides -------------------------------------------------------------------------------------


def right_hand_sides(given: Numbers) -> tuple[Floats, Floats]:
    """(lower, upper) of every row."""
    layout, fleet, unit_j = given.layout, given.fleet, given.unit_j
    row, restrictions, sleep = layout.rows, given.restrictions, layout.shape.sleep
    lower = np.full(layout.num_rows, -np.inf)
    upper = np.full(layout.num_rows, np.inf)

    def equal(name: str, right: Floats | float) -> None:
        lower[row[name]] = right
        upper[row[name]] = right

    nothing = np.zeros((fleet.size, fleet.horizon))
    harvest_j = fleet.harvest_j if restrictions.harvest else nothing
    stored = nothing.copy()
    stored[:, 0] = (1.0 - fleet.self_discharge_fraction) * fleet.battery_j / unit_j
    equal("D1_energy_use", (given.asleep_j[:, None] + given.model.fixed_j) / unit_j)
    equal("D2_green_bus", -harvest_j / unit_j)
    equal("D3_battery", stored)
    equal("D4_all_work_done", given.work.batches)
    if layout.split:
        equal("D4_split", 0.0)
    if restrictions.offloading:
        upper[row["D5_offload_cap"]] = given.work.room
        upper[row["D7_storage"]] = given.guest_room
    if restrictions.transfers:
        upper[row["D6_transfer_cap"]] = fleet.transfer_caps_j() * restrictions.harvest / unit_j
    upper[row["D7_time"]] = 0.0 if sleep else given.capacity
    if sleep:
        lower[row["D8_wake_up"]] = 0.0
        lower[row["D8_wake_up"][:, 0]] = fleet.asleep.astype(float) - 1.0
    if given.stored_value is not None:
        equal("D9_stored_value", 0.0)
    for name in ("D2_hub", "D4_hub"):
        if name in row:
            equal(name, 0.0)
    return lower, upper


# --- work, time, storage ----------------------------------------------------------------------------------


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


def _work(layout: Layout, fleet: Fleet, whole: bool) -> Work:
    """Work by class; ``whole``: room in whole batches."""
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
    return Work(
        batches=np.column_stack([merge(backlog), release]),
        late=late,
        room=np.column_stack([merge(backlog_room), release_room]),
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


def unserved_penalty_g(fleet: Fleet) -> float:
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
