"""Work that may wait: how much (D5) lets run elsewhere, what a decision leaves, what was missed, (D4). Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from coordinator.config import CoordinatorConfig
from coordinator.market.backlog import Backlog
from coordinator.market.fleet import Ints
from coordinator.policies.guard import TRAINING_STAGES
from coordinator.slots.state import NodeState, SlotState
from protos.messages.slot import Decision, Telemetry
from protos.messages.terms import Stage


def offload_room(config: CoordinatorConfig, node: NodeState, telemetry: Telemetry) -> tuple[int, ...] | None:
    """(Q+1,) batches by deadline class that (D5) lets a node have run elsewhere; None without deferral."""
    if config.limits.deadline_slots == 0:
        return None
    waiting, carried = _one(waiting_batches(config, node, telemetry)), _carried(node)
    rooms = offload_rooms(config, telemetry.slot, waiting, carried)
    return tuple(int(n) for n in rooms[0])


def waiting_batches(config: CoordinatorConfig, node: NodeState, telemetry: Telemetry) -> tuple[int, ...]:
    """(Q+1,) a node's batches by deadline class, as plans count them; see ``as_planned``."""
    if config.limits.deadline_slots == 0:
        return tuple(telemetry.backlog_batches)
    waiting = as_planned(config, telemetry.slot, _one(telemetry.backlog_batches), _carried(node))
    return tuple(int(n) for n in waiting[0])


def as_planned(config: CoordinatorConfig, slot: int, backlog: Ints, carried: Backlog | None) -> Ints:
    """(N, Q+1) batches by deadline class, as the plans before have left them, of N nodes that report ``backlog``.

    Nodes run their most urgent batches, whoever executes them. A plan keeps at home those of a release that may not
    leave (D5), and takes later ones before them where these may: it then leaves more of the urgent ones than the node
    reports. By the node's count, what must stay of a release would leave in the end. Nothing is later than the
    node reports, which has batches that came back undelivered."""
    if carried is None:
        return backlog
    planned = carried.batches.copy()
    new = _class_of_new_work(config, slot)
    total = backlog.sum(axis=1)
    planned[:, new] += np.maximum(0, total - planned.sum(axis=1))
    until = np.maximum(np.cumsum(planned, axis=1), np.cumsum(backlog, axis=1))
    return np.diff(np.minimum(until, total[:, None]), axis=1, prepend=0)


def offload_rooms(config: CoordinatorConfig, slot: int, backlog: Ints, carried: Backlog | None) -> Ints:
    """(N, Q+1) likewise for N nodes, with ``backlog`` as planned. ``carried``: what the slot before left of their older
    classes; None in the first slot."""
    fresh = _caps(config, backlog)
    if carried is None:
        return fresh
    rooms = np.minimum(carried.room, backlog)
    rooms[:, -1] = fresh[:, -1]
    # Work released late in a stage, or with a tight latency target, joins what has waited in its class.
    new = _class_of_new_work(config, slot)
    if new < rooms.shape[1] - 1:
        added = _caps(config, np.maximum(0, backlog[:, new] - carried.batches[:, new]))
        rooms[:, new] = np.minimum(rooms[:, new] + added, backlog[:, new])
    return rooms


def left_after(
    config: CoordinatorConfig, node: NodeState, telemetry: Telemetry, decision: Decision
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """(batches, room) by deadline class one slot later, before new work; None without deferral."""
    room = offload_room(config, node, telemetry)
    if room is None:
        return None
    backlog = Backlog(_one(waiting_batches(config, node, telemetry)), _one(room))
    away = sum(send.batches for send in decision.sends)
    try:
        later, _ = backlog.advance(np.array([decision.own_batches]), np.array([away]))
    except ValueError as error:  # the guard has checked this decision: a broken invariant, not an input
        raise AssertionError(f"node {telemetry.node_id}: {error}") from error
    return tuple(int(n) for n in later.batches[0]), tuple(int(n) for n in later.room[0])


def later_undecided(node: NodeState) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """(batches, room) carried one slot on, of a node for which nothing was decided; None where nothing is carried."""
    carried = _carried(node)
    if carried is None:
        return None
    none = np.zeros(1, dtype=np.int64)
    later, _ = carried.advance(none, none)
    return tuple(int(n) for n in later.batches[0]), tuple(int(n) for n in later.room[0])


def _carried(node: NodeState) -> Backlog | None:
    if node.carried_room is None or node.carried_batches is None:
        return None
    return Backlog(_one(node.carried_batches), _one(node.carried_room))


def _one(row: Sequence[int]) -> Ints:
    return np.array([row], dtype=np.int64)


def _class_of_new_work(config: CoordinatorConfig, slot: int) -> int:
    """Slots that work released in ``slot`` may wait: to its deadline, within its own stage."""
    stages, patience = config.stages, config.limits.deadline_slots
    if slot >= len(stages):
        return patience
    if stages[slot] is Stage.APPLICATION and config.request_deadline_slots is not None:
        patience = min(patience, config.request_deadline_slots)
    last = min(slot + patience, len(stages) - 1)
    return max(t for t in range(slot, last + 1) if stages[t] is stages[slot]) - slot


def _caps(config: CoordinatorConfig, batches: Ints) -> Ints:
    return np.floor(config.limits.offload_cap_fraction * batches + 1e-9).astype(np.int64)


def missed_batches(slot: SlotState, node_id: str) -> int:
    """Own batches of a node that were missed in ``slot``; 0 for a node not selected."""
    if slot.selected is not None and slot.stage in TRAINING_STAGES and node_id not in slot.selected:
        return 0
    usage, backlog = slot.usage.get(node_id), slot.backlog(node_id)
    return count_missed(
        due=0 if backlog is None else backlog[0],  # undisclosed: the gap in the books says so
        counted=slot.counted.get(node_id, 0),
        away=slot.away.get(node_id, 0),
        sent=0 if usage is None else sum(moved.batches for moved in usage.moved if moved.sent),
    )


def count_missed(*, due: int, counted: int, away: int, sent: int) -> int:
    """(D4) in one slot: own batches at their deadline that no node ran, and batches that an executor took and
    did not run, at any deadline: they are in no backlog any more.

    ``counted`` batches of the owner count, ``away`` of them ran elsewhere; ``sent`` were delivered, as the
    owner reports it. Most urgent batches stay at home (edge_node), so that those sent are the least urgent.
    """
    delivered = max(sent, away)  # a receipt may be lost, or the owner may not report
    home = counted - away
    return max(0, due - home - delivered) + delivered - away
