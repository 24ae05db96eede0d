"""From the decomposition's last point to a plan that keeps every limit: the other half of the proof of its gap.

Rounding the point into the limits costs little when it is near the optimum, and its cost is in the plan's
objective: the gap reported is that of the repaired plan against the dual bound, not that of the point.
"""

from __future__ import annotations

import numpy as np

from coordinator.market.fleet import Floats
from coordinator.market.wide.hub import HubPlan, HubProgram, by_class

_ROUNDS = 3


def repair(program: HubProgram, point: HubPlan) -> HubPlan:
    """A feasible plan close to ``point`` (whose grid, green, curtailed and stored energies are not used)."""
    own, sent, guest, unserved = _work(program, point)
    load = program.static_j + program.joules_per_batch * (own.sum(axis=0) + guest)
    load += program.guest_j * guest + program.owner_j * sent.sum(axis=0)
    export, import_, charge, discharge = _without_circles(program, point)
    for _ in range(_ROUNDS):
        charge, discharge, stored, export = _battery(program, charge, discharge, export, import_)
        export, import_ = _balance(export, program.export_efficiency, import_)
    charge, discharge, stored, export = _battery(program, charge, discharge, export, import_)
    into = program.harvest_j + discharge + program.import_efficiency * import_ - charge - export
    green = np.clip(into, 0.0, load)
    return HubPlan(
        grid_j=load - green,
        green_j=green,
        charge_j=charge,
        discharge_j=discharge,
        stored_j=stored,
        curtailed_j=np.maximum(into - green, 0.0),
        export_j=export,
        import_j=import_,
        own_batches=own,
        offload_batches=sent,
        guest_batches=guest,
        unserved_batches=unserved,
    )


def _without_circles(p: HubProgram, point: HubPlan) -> tuple[Floats, Floats, Floats, Floats]:
    """Exports, imports, charge and discharge with what goes in circles taken out.

    Where energy is free an interior point charges while it discharges and sells while it buys. Keeping the change of
    the store, and the hub's balance, one of the two falls to zero and the bus only gains.
    """
    charge, discharge = np.maximum(point.charge_j, 0.0), np.maximum(point.discharge_j, 0.0)
    change = p.charge_efficiency * charge - discharge / p.discharge_efficiency
    charge, discharge = (
        np.maximum(change, 0.0) / p.charge_efficiency,
        np.maximum(-change, 0.0) * p.discharge_efficiency,
    )
    export, import_ = np.clip(point.export_j, 0.0, p.export_cap_j), np.maximum(point.import_j, 0.0)
    both = np.minimum(p.export_efficiency * export, import_)
    gives = p.export_efficiency > 0
    return (
        export - np.divide(both, p.export_efficiency, out=np.zeros_like(both), where=gives),
        import_ - both,
        charge,
        discharge,
    )


def _ratio(above: Floats, below: Floats) -> Floats:
    """above / below, 1 where ``below`` is zero."""
    return np.divide(above, below, out=np.ones_like(below), where=below > 0)


def _spread(per_class: Floats, window: int, slots: int) -> Floats:
    """(K, N) of each class in every slot of its window: (q+1, T, N)."""
    return np.stack([per_class[left : left + slots] for left in range(window)])


def _work(p: HubProgram, point: HubPlan) -> tuple[Floats, Floats, Floats, Floats]:
    """Own, sent and guest batches that keep (D4), (D5), (D7) and the work hub; what cannot be placed is unserved."""
    window, slots = p.deadline_slots + 1, p.slots
    room = p.seconds_per_batch
    most = np.divide(p.slot_s, room, out=np.full_like(room, np.inf), where=room > 0)
    may_leave = ~p.closed[:, :, None]
    may_run = may_leave & p.may_run
    own = np.maximum(point.own_batches, 0.0) * may_run
    sent = np.maximum(point.offload_batches, 0.0) * p.offloadable[:, None] * may_leave
    allowed = _ratio(p.offload_cap_batches, by_class(sent))
    sent *= np.minimum(_spread(allowed, window, slots), 1.0)
    guest = np.clip(point.guest_batches, 0.0, p.guest_cap_batches) * p.may_run
    total = sent.sum(axis=0)
    home = np.minimum(total, guest)  # sent to the hub and taken back: run at home
    kept = sent * np.divide(home, total, out=np.zeros_like(total), where=total > 0)
    own, sent, guest = own + kept, sent - kept, guest - home
    placed = by_class(own + sent)
    own = np.where(_spread(placed, window, slots) > 0, own, _spread(p.class_batches, window, slots) * may_run)
    own_class, sent_class = by_class(own), by_class(sent)
    own *= _spread(_ratio(np.maximum(p.class_batches - sent_class, 0.0), own_class), window, slots)

    guest = np.minimum(guest, np.maximum(most - own.sum(axis=0), 0.0))
    if not p.may_run.all():
        guest = _more_guests(p, own, sent, guest, most)
    given, taken = sent.sum(axis=(0, 2)), guest.sum(axis=1)
    stay = 1.0 - np.minimum(np.divide(taken, given, out=np.ones_like(given), where=given > 0), 1.0)
    back = sent * stay[:, None]
    own, sent = own + back * p.may_run, sent - back
    guest *= np.minimum(_ratio(sent.sum(axis=(0, 2)), taken), 1.0)[:, None]
    own *= np.minimum(_ratio(np.maximum(most - guest, 0.0), own.sum(axis=0)), 1.0)
    unserved = p.class_batches - by_class(own + sent)
    unserved[unserved < 1e-12 * p.class_batches] = 0.0
    unserved = np.maximum(unserved, 0.0)
    if window > 1 and unserved.any():
        free = np.maximum(most - own.sum(axis=0) - guest, 0.0) * p.may_run
        _place(p, own, unserved, free)
        if unserved.any():
            _earlier(p, own, unserved.sum(axis=0), free)
            _place(p, own, unserved, free)
        if unserved.any():
            _place_away(p, sent, guest, unserved, free)
    return own, sent, guest, unserved


def _more_guests(p: HubProgram, own: Floats, sent: Floats, guest: Floats, most: Floats) -> Floats:
    """Guests with what the hub lacks places for, as far as awake nodes have room: a node asleep cannot take its work
    back."""
    lacking = np.maximum(sent.sum(axis=(0, 2)) - guest.sum(axis=1), 0.0)
    room = np.minimum(p.guest_cap_batches, most - own.sum(axis=0)) - guest
    room = np.maximum(room, 0.0) * p.may_run
    total = room.sum(axis=1)
    share = np.minimum(np.divide(lacking, total, out=np.zeros_like(total), where=total > 0), 1.0)
    return np.asarray(guest + room * share[:, None])


def _place(p: HubProgram, own: Floats, unserved: Floats, free: Floats) -> None:
    """Run ``unserved`` (K, N) batches at home where a slot of their window has ``free`` (T, N) time for them, earliest
    deadline first; ``own`` and the rest are changed in place."""
    for slot in range(p.slots):
        for left in np.flatnonzero(~p.closed[:, slot]):
            put = np.minimum(unserved[slot + left], free[slot])
            own[left, slot] += put
            unserved[slot + left] -= put
            free[slot] -= put


def _earlier(p: HubProgram, own: Floats, wanted: Floats, free: Floats) -> None:
    """Make room in later slots: move up to ``wanted`` (N,) batches of each slot to earlier slots that have ``free``
    time and in which they may run; ``own`` and ``free`` are changed in place."""
    window = p.deadline_slots + 1
    for slot in range(1, p.slots):
        need = np.maximum(wanted - free[slot], 0.0)
        for before in range(slot - 1, max(slot - window, -1), -1):
            for left in range(window - (slot - before)):
                more = left + slot - before
                if p.closed[more, before]:
                    continue
                put = np.minimum(np.minimum(own[left, slot], free[before]), need)
                own[left, slot] -= put
                own[more, before] += put
                free[slot] += put
                free[before] -= put
                need -= put


def _place_away(p: HubProgram, sent: Floats, guest: Floats, unserved: Floats, free: Floats) -> None:
    """Send ``unserved`` (K, N) batches that may leave to nodes with ``free`` (T, N) time and room for guests, earliest
    deadline first; ``sent``, ``guest`` and the rest are changed in place."""
    leave = np.maximum(p.offload_cap_batches - by_class(sent), 0.0)
    for slot in np.flatnonzero(p.offloadable):
        room = np.maximum(np.minimum(free[slot], p.guest_cap_batches[slot] - guest[slot]), 0.0)
        for left in np.flatnonzero(~p.closed[:, slot]):
            put = np.minimum(unserved[slot + left], leave[slot + left])
            places, wanted = float(room.sum()), float(put.sum())
            if min(places, wanted) <= 0:
                continue
            put, taken = put * min(places / wanted, 1.0), room * min(wanted / places, 1.0)
            sent[left, slot] += put
            unserved[slot + left] -= put
            leave[slot + left] -= put
            guest[slot] += taken
            free[slot] -= taken
            room -= taken


def _balance(export: Floats, efficiency: Floats, import_: Floats) -> tuple[Floats, Floats]:
    """Scale the longer side of the energy hub down to the shorter, slot by slot."""
    given, taken = export @ efficiency, import_.sum(axis=1)
    factor = np.minimum(np.divide(taken, given, out=np.ones_like(given), where=given > 0), 1.0)
    import_ = (
        import_ * np.minimum(np.divide(given, taken, out=np.ones_like(taken), where=taken > 0), 1.0)[:, None]
    )
    return export * factor[:, None], import_


def _battery(
    p: HubProgram, charge: Floats, discharge: Floats, export: Floats, import_: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Charge, discharge, stored energy and exports that keep (D2) and (D3), slot after slot."""
    charge, discharge, export = (np.maximum(part, 0.0) for part in (charge, discharge, export))
    stored = np.empty_like(charge)
    level = p.battery_j
    for slot in range(p.slots):
        kept = p.keep_fraction * level
        drawn = np.minimum(
            np.minimum(discharge[slot], p.discharge_cap_j[slot]), kept * p.discharge_efficiency
        )
        into = p.harvest_j[slot] + drawn + p.import_efficiency * import_[slot]
        export[slot] = np.minimum(export[slot], into)
        room = (p.battery_capacity_j - kept + drawn / p.discharge_efficiency) / p.charge_efficiency
        put = np.minimum(
            np.minimum(charge[slot], p.charge_cap_j), np.minimum(into - export[slot], np.maximum(room, 0.0))
        )
        level = np.clip(
            kept + p.charge_efficiency * put - drawn / p.discharge_efficiency, 0.0, p.battery_capacity_j
        )
        charge[slot], discharge[slot], stored[slot] = put, drawn, level
    return charge, discharge, stored, export
