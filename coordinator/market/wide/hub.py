"""The hub form of (D0)-(D8): O(N T) variables where losses factor as 1 - l_ij = out_i * in_j, who is awake
given.

Energy. In the pairwise form donor i sends x_ij, of which out_i * in_j * x_ij arrives. Let every donor send
X_i = sum_j x_ij to one hub per slot, where out_i X_i arrives, and every recipient draw R_j = sum_i out_i
x_ij from it, of which in_j R_j reaches its bus. (D2) and (D6) see the x_ij only through X_i and R_j, so what
remains of the pairs is the hub balance  sum_i out_i X_i = sum_j R_j.

Work. Likewise (D1), (D4), (D5) and (D7) see w_irjt, j != i, only through what owner i sends of its deadline
class in slot t, O, and what executor j takes in slot t, G; the hub balance is  sum_i O_it = sum_j G_jt  per
slot. The network term of (D0), (c_i + c_j)/2 * s * eps_net, is a sum of an owner's and an executor's half,
so it factors exactly.

i != j. A hub lets a node trade with itself, which no pair does. Such trade never pays: if m = min(out_i X_i,
R_i) > 0, lowering R_i by m and X_i by m / out_i keeps the hub balance and leaves m (1/out_i - in_i) >= 0
more on the node's bus, to be curtailed; if m = min(O_it, G_it) > 0, running those m batches at home keeps
W_i, loosens storage and offload cap, and saves m (tx + rx) joules of load and two network halves (c >= 0).
So an optimum without self-trade exists, and then any filling of the hub's ledger pairs different nodes: both
forms have the same optimum (``hub_recovery.fill`` does it; the tests solve both).

Shapes: arrays are (T, N) - slots first, nodes contiguous. Deadline classes k = 0..T+q-1 are named by their
deadline: k <= q is the backlog with k slots left, k > q is released in slot k - q. Class k may run in slots
max(0, k-q)..k, so in slot t exactly the classes t..t+q may run: axis 0 of (q+1, T, N) arrays is the slots
left to the deadline. Where a life-cycle stage or a latency target ends earlier, ``closed`` marks the slots of
a class that come after. Units: J, batches, g CO2e."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from carbon_data.units import JOULES_PER_KWH
from coordinator.market.fleet import Bools, Fleet, Floats, Ints
from coordinator.market.layout import Restrictions
from coordinator.market.numbers import unserved_penalty_g
from coordinator.market.participation import last_slots, model_energy, whole
from protos.trading.look_ahead import LEFT_FACTOR

DETA = Restrictions(transfers=True, offloading=True, harvest=True)


class NotProductFormError(ValueError):
    """Losses given as a matrix: the hub form would not be exact."""


@dataclass(frozen=True, slots=True)
class HubProgram:
    """Data of the hub LP. See the module text for shapes and units."""

    slot_s: float
    deadline_slots: int
    grams_per_j: Floats
    """(T, N) c_i(t)."""
    harvest_j: Floats
    """(T, N) h_i(t)."""
    static_j: Floats
    """(T, N) D * P_st, and the part of m_i(t) that is drawn under every decision (participation.py); with a schedule
    of who is awake, what it draws asleep, and what waking up takes."""
    class_batches: Floats
    """(K, N) batches of each deadline class."""
    unserved_g: Floats
    """(K, N) cost of leaving a batch undone."""
    offload_cap_batches: Floats
    """(K, N) right-hand side of (D5)."""
    joules_per_batch: Floats
    """(T, N) e, and where it is not sure that anything runs, the share of m_i(t) on each batch."""
    seconds_per_batch: Floats
    """(T, N) tau."""
    owner_j: Floats
    """(T, N) s * eps_tx: load of the owner per batch sent."""
    guest_j: Floats
    """(T, N) s * eps_rx: load of the executor per batch received, beside e."""
    network_g: Floats
    """(T, N) c_i / 2 * s * eps_net: this end's half of the network's grams per batch."""
    offloadable: np.ndarray
    """(T,) whether work may leave its owner in the slot."""
    may_run: Bools
    """(T, N) whether the node may run batches: it is awake, and what waking up takes leaves time for one."""
    closed: Bools
    """(q+1, T) slots, by what is left to the deadline, in which a class may not run: its stage has ended."""
    guest_cap_batches: Floats
    """(T, N) S_j / s, and no more than the slot's seconds or the fleet's work allow: always finite."""
    export_cap_j: Floats
    """(T, N) right-hand side of (D6); over the horizon, what each slot adds to it (Fleet.transfer_caps_j)."""
    export_efficiency: Floats
    """(N,) out_i."""
    import_efficiency: Floats
    """(N,) in_j."""
    battery_j: Floats
    """(N,) stored before slot 0."""
    battery_capacity_j: Floats
    charge_efficiency: Floats
    discharge_efficiency: Floats
    keep_fraction: Floats
    """(N,) 1 - sigma."""
    charge_cap_j: Floats
    """(N,) P * D, on the bus side."""
    discharge_cap_j: Floats
    """(T, N) likewise."""
    stored_value_g_per_j: Floats
    """(N,) worth of a joule stored after the last slot."""
    step_g_per_j: Floats
    """(S, N) (D9): worth of a joule in each step of the charge after the last slot, falling; S = 0: no steps."""
    step_j: Floats
    """(S, N) width of each step; together the battery's capacity."""
    carries_cap: bool = False
    """(D6) over the horizon: what of the export cap is not used in a slot may be used later."""

    @property
    def slots(self) -> int:
        """T."""
        return self.grams_per_j.shape[0]

    @property
    def nodes(self) -> int:
        """N."""
        return self.grams_per_j.shape[1]

    @property
    def classes(self) -> int:
        """K = T + q."""
        return self.class_batches.shape[0]

    def take(self, nodes: slice | np.ndarray) -> HubProgram:
        """The program's rows of some nodes: a block of the decomposition, or one node's private part."""
        per_node: dict[str, Any] = {}
        for spec in fields(self):
            value = getattr(self, spec.name)
            if isinstance(value, np.ndarray) and spec.name not in ("offloadable", "closed"):
                per_node[spec.name] = np.ascontiguousarray(value[..., nodes])
        return HubProgram(
            slot_s=self.slot_s,
            deadline_slots=self.deadline_slots,
            offloadable=self.offloadable,
            closed=self.closed,
            carries_cap=self.carries_cap,
            **per_node,
        )


@dataclass(frozen=True, slots=True)
class HubPlan:
    """Values of the hub LP's variables."""

    grid_j: Floats
    green_j: Floats
    charge_j: Floats
    discharge_j: Floats
    stored_j: Floats
    """(T, N) after each slot."""
    curtailed_j: Floats
    export_j: Floats
    """(T, N) X: as it leaves the donor's bus."""
    import_j: Floats
    """(T, N) R: as it leaves the hub, before the recipient's loss."""
    own_batches: Floats
    """(q+1, T, N) run at home, by slots left to the deadline."""
    offload_batches: Floats
    """(q+1, T, N) sent to the hub."""
    guest_batches: Floats
    """(T, N) taken from the hub."""
    unserved_batches: Floats
    """(K, N)."""


def from_fleet(
    fleet: Fleet,
    restrictions: Restrictions = DETA,
    *,
    whole_batches: bool = False,
    awake: Bools | None = None,
) -> HubProgram:
    """Hub program of a fleet over the fleet's whole horizon: the same model, limits and penalties as
    ``program.build`` in O(N T) variables. ``whole_batches``: (D5) and (D7) as whole batches can use them, as there.
    ``awake`` (T, N): a_i(t); None: every node is awake throughout, and no node has to wake up.

    Raises NotProductFormError where the fleet gives a loss matrix.
    """
    if fleet.loss_fraction is not None:
        raise NotProductFormError(
            "this fleet gives losses as a matrix, and the hub form needs 1 - l_ij = out_i * in_j; "
            "use the pairwise program, or give export_efficiency and import_efficiency instead"
        )
    limits, slots, q = fleet.limits, fleet.horizon, fleet.limits.deadline_slots
    grams_per_j = _rows(fleet.intensity_g_per_kwh) / JOULES_PER_KWH
    payload = fleet.bytes_per_batch[:, None]
    model = model_energy(fleet, restrictions.offloading)
    joules, seconds = _rows(fleet.joules_per_batch + model.share_j), _rows(fleet.seconds_per_batch)
    cap = limits.offload_cap_fraction * restrictions.offloading
    classes = np.concatenate([fleet.backlog_batches, fleet.release_batches], axis=1).T.astype(np.float64)
    room = cap * classes
    if whole_batches:
        room = whole(room).astype(np.float64)
    if fleet.offload_room_batches is not None and restrictions.offloading:
        room[: q + 1] = fleet.offload_room_batches.T
    unserved_g = np.full_like(classes, unserved_penalty_g(fleet))
    due = due_slots(fleet)
    unserved_g[due >= slots] *= LEFT_FACTOR
    closed = np.arange(slots) > due[np.arange(slots) + np.arange(q + 1)[:, None]]
    harvest = _rows(fleet.harvest_j) * restrictions.harvest
    static = fleet.slot_s * fleet.static_w + _rows(model.fixed_j)
    may_run = np.ones(seconds.shape, dtype=bool)
    if awake is not None:
        static, seconds, may_run = _scheduled(fleet, awake, static, seconds, whole_batches)
    storage = _quotient(fleet.storage_bytes, payload)
    in_time = _quotient(fleet.slot_s, seconds)
    if whole_batches:
        storage, in_time = np.floor(storage + 1e-9), np.maximum(np.floor(in_time + 1e-9), 1.0)
        seconds = np.where(seconds > 0, np.maximum(fleet.slot_s / in_time, seconds), 0.0)
    may_leave = np.array([room[t : t + q + 1][~closed[:, t]].sum() for t in range(slots)])[:, None]
    guests = np.where(fleet.offloadable[:, None], np.minimum(np.minimum(storage, in_time), may_leave), 0.0)
    guests *= may_run
    has_store = (fleet.battery_capacity_j > 0) & restrictions.harvest
    return HubProgram(
        slot_s=fleet.slot_s,
        deadline_slots=q,
        grams_per_j=grams_per_j,
        harvest_j=harvest,
        static_j=static,
        class_batches=np.ascontiguousarray(classes),
        unserved_g=unserved_g,
        offload_cap_batches=room,
        joules_per_batch=joules,
        seconds_per_batch=seconds,
        owner_j=_rows(fleet.owner_j()),
        guest_j=_rows(fleet.guest_j()),
        network_g=grams_per_j * payload * (limits.net_j_per_byte / 2),
        offloadable=fleet.offloadable,
        may_run=may_run,
        closed=closed,
        guest_cap_batches=guests,
        export_cap_j=_rows(fleet.transfer_caps_j()) * (restrictions.harvest and restrictions.transfers),
        export_efficiency=fleet.export_efficiency,
        import_efficiency=fleet.import_efficiency,
        battery_j=fleet.battery_j,
        battery_capacity_j=np.maximum(fleet.battery_capacity_j, fleet.battery_j),
        charge_efficiency=np.where(has_store, fleet.charge_efficiency, 1.0),
        discharge_efficiency=np.where(has_store, fleet.discharge_efficiency, 1.0),
        keep_fraction=1.0 - fleet.self_discharge_fraction,
        charge_cap_j=fleet.slot_s * fleet.charge_limit_w * has_store,
        discharge_cap_j=np.tile(fleet.slot_s * fleet.discharge_limit_w * has_store, (slots, 1)),
        stored_value_g_per_j=fleet.stored_value_g_per_j,
        step_g_per_j=np.zeros((0, fleet.size)),
        step_j=np.zeros((0, fleet.size)),
        carries_cap=limits.transfer_cap_over == "horizon",
    )


def woken(fleet: Fleet, awake: Bools) -> Bools:
    """(T, N) z_i(t) of a schedule a_i(t): awake, and asleep in the slot before."""
    return np.asarray(awake & np.vstack([fleet.asleep, ~awake[:-1]]))


def _scheduled(
    fleet: Fleet, awake: Bools, static_j: Floats, seconds: Floats, whole_batches: bool
) -> tuple[Floats, Floats, Bools]:
    """Static load, seconds per batch and ``may_run`` of the schedule ``awake``: a slot in which a node wakes up has
    fewer seconds for the same batches, here as many with longer batches."""
    wakes = woken(fleet, awake)
    static = np.where(awake, static_j, static_j + fleet.slot_s * (fleet.sleep_w - fleet.static_w))
    usable = np.broadcast_to(np.maximum(fleet.slot_s - fleet.wake_s, 0.0), seconds.shape)
    batches = _quotient(usable, seconds)
    if whole_batches:
        batches = np.floor(batches + 1e-9)
    may_run = awake & (~wakes | ((usable > 0) & (batches > 0)))
    longer = np.divide(fleet.slot_s, batches, out=seconds.copy(), where=wakes & may_run & (seconds > 0))
    return static + fleet.wake_j * wakes, longer, may_run


def due_slots(fleet: Fleet) -> Ints:
    """(K,) last slot in which each deadline class may run."""
    return np.concatenate([np.arange(fleet.limits.deadline_slots + 1), last_slots(fleet)[1:]])


def objective_g(program: HubProgram, plan: HubPlan) -> float:
    """(D0) of a hub plan, plus the price of unserved work, minus the worth of what is left in store, g CO2e. With
    steps, plus the worth of what they lack of being full."""
    moved = plan.offload_batches.sum(axis=0) + plan.guest_batches
    return float(
        np.vdot(program.grams_per_j, plan.grid_j)
        + np.vdot(program.network_g, moved)
        + np.vdot(program.unserved_g, plan.unserved_batches)
        - np.vdot(program.stored_value_g_per_j, plan.stored_j[-1])
        + np.vdot(program.step_g_per_j, missing_j(program, plan.stored_j[-1]))
    )


def missing_j(program: HubProgram, stored_j: Floats) -> Floats:
    """(S, N) what each step of the worth lacks at the charge ``stored_j`` (N,)."""
    before = np.cumsum(program.step_j, axis=0) - program.step_j
    return np.asarray(program.step_j - np.clip(stored_j - before, 0.0, program.step_j))


def load_j(program: HubProgram, plan: HubPlan) -> Floats:
    """(T, N) right-hand side of (D1)."""
    own, sent = plan.own_batches.sum(axis=0), plan.offload_batches.sum(axis=0)
    return (
        program.static_j
        + program.joules_per_batch * (own + plan.guest_batches)
        + program.guest_j * plan.guest_batches
        + program.owner_j * sent
    )


def by_class(values: Floats) -> Floats:
    """Sum over the slots of each deadline class: (q+1, T, N) to (T+q, N)."""
    window, slots, nodes = values.shape
    total = np.zeros((slots + window - 1, nodes))
    for left in range(window):
        total[left : left + slots] += values[left]
    return total


def residuals(program: HubProgram, plan: HubPlan) -> dict[str, float]:
    """Largest violation of every constraint, relative to the size of its terms: all should be below 1e-6."""
    p, x = program, plan
    load = load_j(p, x)
    before = np.vstack([p.battery_j[None, :], x.stored_j[:-1]])
    energy = max(float(load.max()), float(p.harvest_j.max(initial=0.0)), np.finfo(float).tiny)
    work = max(float(p.class_batches.max(initial=0.0)), 1e-9)
    seconds = p.seconds_per_batch * (x.own_batches.sum(axis=0) + x.guest_batches)
    bus_in = p.harvest_j + x.discharge_j + p.import_efficiency * x.import_j
    stored = (
        p.keep_fraction * before + p.charge_efficiency * x.charge_j - x.discharge_j / p.discharge_efficiency
    )
    lowest = min(float(getattr(x, spec.name).min(initial=0.0)) for spec in fields(x))
    over = lambda value, cap: float(np.maximum(value - cap, 0.0).max(initial=0.0))  # noqa: E731
    hub_j = float(p.export_efficiency.sum()) * energy or energy  # where no node may export
    late = float((x.own_batches + x.offload_batches)[p.closed].max(initial=0.0))
    given, cap = x.export_j, p.export_cap_j
    if p.carries_cap:
        given, cap = np.cumsum(given, axis=0), np.cumsum(cap, axis=0)
    return {
        "D1 demand": float(np.abs(x.grid_j + x.green_j - load).max()) / energy,
        "D2 bus": float(np.abs(bus_in - x.green_j - x.charge_j - x.export_j - x.curtailed_j).max()) / energy,
        "D2 hub": float(np.abs((p.export_efficiency * x.export_j - x.import_j).sum(axis=1)).max()) / hub_j,
        "D3 battery": float(np.abs(x.stored_j - stored).max()) / energy,
        "D3 capacity": over(x.stored_j, p.battery_capacity_j) / energy,
        "D3 power": max(over(x.charge_j, p.charge_cap_j), over(x.discharge_j, p.discharge_cap_j)) / energy,
        "D4 work": float(
            np.abs(by_class(x.own_batches + x.offload_batches) + x.unserved_batches - p.class_batches).max()
        )
        / work,
        "D4 stage ended": late / work,
        "D7 asleep": float((x.own_batches.sum(axis=0) + x.guest_batches)[~p.may_run].max(initial=0.0)) / work,
        "D4 hub": float(np.abs((x.offload_batches.sum(axis=0) - x.guest_batches).sum(axis=1)).max())
        / (work * p.nodes),
        "D5 offload cap": over(by_class(x.offload_batches), p.offload_cap_batches) / work,
        "D6 transfer cap": over(given, cap) / energy,
        "D7 time": over(seconds, p.slot_s) / p.slot_s,
        "D7 storage": over(x.guest_batches, p.guest_cap_batches) / work,
        "sign": max(-lowest, 0.0) / min(energy, work),
    }


def _rows(per_node: Floats) -> Floats:
    """(N, T) of a fleet as contiguous (T, N)."""
    return np.ascontiguousarray(per_node.T, dtype=np.float64)


def _quotient(above: Floats | float, below: Floats) -> Floats:
    """above / below, infinite where ``below`` is zero."""
    above, below = np.broadcast_arrays(np.asarray(above, dtype=np.float64), below)
    return np.divide(above, below, out=np.full(below.shape, np.inf), where=below > 0)
