"""Energy of the model's parameters, m_i(t) of (D1), in the linear forms of the model.

A node that runs any batch in a slot receives the model and, in training, sends it back: a cost of running at all, which
does not grow with the batches. The linear programs take it as follows.

- Where some own batch must run in the slot and cannot leave the node, m_i(t) is drawn under every decision: a constant.
- Elsewhere at most C_i(t) batches can run, so that m_i(t) W_i(t) / C_i(t) <= m_i(t) [W_i(t) > 0]: the linear relaxation
  of the fixed cost, a share on every batch. It never overstates what is drawn, so bounds stay bounds; the slot that is
  decided is planned once more with what its whole batches really draw (policies.optimised)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coordinator.market.fleet import Bools, Fleet, Floats, Ints

_EPSILON = 1e-9


@dataclass(frozen=True, slots=True)
class ModelEnergy:
    """m_i(t) split for the linear forms; both (N, H)."""

    fixed_j: Floats
    """Drawn under every decision."""
    share_j: Floats
    """On every batch that the node runs, beside e_i(t)."""


def model_energy(fleet: Fleet, offloading: bool) -> ModelEnergy:
    """The split for ``fleet``, whose owners may run work elsewhere if ``offloading``."""
    if fleet.model_j is None:
        none = np.zeros(fleet.intensity_g_per_kwh.shape)
        return ModelEnergy(none, none)
    sure = runs_anyway(fleet, offloading)
    share = np.where(sure, 0.0, fleet.model_j / _most_batches(fleet, offloading))
    return ModelEnergy(np.where(sure, fleet.model_j, 0.0), share)


def runs_anyway(fleet: Fleet, offloading: bool) -> Bools:
    """(N, H) slots in which a node runs at least one own batch under every plan that does all the work: batches whose
    window is that slot alone, and that (D5) or the stage keeps at home."""
    due, room = _due_at_once(fleet)
    leaves = np.where(fleet.offloadable & offloading, room, 0)
    return np.asarray(due - leaves >= 1)


def _due_at_once(fleet: Fleet) -> tuple[Ints, Ints]:
    """(N, H) batches that can run in one slot only, and how many of them may leave."""
    cap, window = fleet.limits.offload_cap_fraction, last_slots(fleet) - np.arange(fleet.horizon)
    released = np.where(window[1:] <= 0, fleet.release_batches, 0)
    now = fleet.backlog_batches[:, :1]
    may_leave = (
        whole(np.asarray(cap * now))
        if fleet.offload_room_batches is None
        else fleet.offload_room_batches[:, :1]
    )
    return np.hstack([now, released]), np.hstack([may_leave, whole(cap * released)])


def _most_batches(fleet: Fleet, offloading: bool) -> Floats:
    """(N, H) C_i(t) >= 1: most batches that a node can run in a slot, by its time, by the own work whose window is open
    then, and by what others may send it."""
    cap, last, slots = fleet.limits.offload_cap_fraction, last_slots(fleet), np.arange(fleet.horizon)
    backlog, released = fleet.backlog_batches, fleet.release_batches
    room = (
        whole(np.asarray(cap * backlog)) if fleet.offload_room_batches is None else fleet.offload_room_batches
    )
    # which classes may run in which slots: the backlog until its deadline, releases from their slot on
    waits = np.arange(backlog.shape[1])[:, None] >= slots
    runs = (slots >= slots[1:, None]) & (slots <= last[1:, None])
    own = backlog @ waits + released @ runs
    leave = (room @ waits + whole(np.asarray(cap * released)) @ runs) * (fleet.offloadable & offloading)
    most = own + leave.sum(axis=0) - leave
    tau = fleet.seconds_per_batch
    in_time = np.divide(fleet.slot_s, tau, out=np.full(tau.shape, np.inf), where=tau > 0)
    return np.maximum(np.minimum(np.floor(in_time + _EPSILON), most), 1.0)


def last_slots(fleet: Fleet) -> Ints:
    """(H,) last slot in which work released in each slot may run; may lie beyond the horizon."""
    by_deadline = np.arange(fleet.horizon) + fleet.limits.deadline_slots
    return (
        by_deadline if fleet.release_last_slot is None else np.minimum(by_deadline, fleet.release_last_slot)
    )


def whole(value: Floats) -> Ints:
    """Floor that forgives rounding error just below a whole number."""
    return np.floor(value + _EPSILON).astype(np.int64)
