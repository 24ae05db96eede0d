"""Lagrange's bound of a fleet whose nodes may sleep, and every node's best path through awake and asleep at its prices.

At given prices of hubs, stored energy and work done, the slots of a node meet only in who wakes up, (D8), and in the
windows within which it must be awake: what of a class of work may not leave is run in a slot awake, or left undone.
A node that cannot sleep has one path.
A dynamic program over the slots asleep so far (0 = awake, up to q + 1) takes both exactly; its stages are the slots'
own programs (stages.py). The sum over the nodes, with what the prices themselves are worth, bounds every plan from
below, at any prices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coordinator.market.fleet import Bools, Fleet, Floats, Ints
from coordinator.market.wide.block import Block, Hubs, open_hubs
from coordinator.market.wide.decomposition import Certified, NodePrices
from coordinator.market.wide.hub import HubProgram, due_slots
from coordinator.market.wide.stages import SleepData, Stage, Stages

BLOCK_NODES = 512


@dataclass(frozen=True, slots=True)
class Paths:
    """The nodes' answers to a set of prices."""

    bound_g: float
    """No plan, whoever sleeps in it, has a lower objective."""
    awake: Bools
    """(T, N) each node's best path."""
    best_g: Floats
    """(N,) what it costs."""
    stages: Stages
    """What awake, asleep and waking cost at the prices."""
    missed_g: Floats
    """(T, q+2, N) cost of work left undone, by the slots asleep at the end of a slot."""

    def cost_g(self, awake: Bools, asleep: Bools) -> Floats:
        """(N,) cost of other paths; ``asleep``: before the first slot."""
        slots, states, nodes = self.missed_g.shape
        every, slept, before = np.arange(nodes), np.zeros(nodes, dtype=np.int64), ~asleep
        cost = np.zeros(nodes)
        for t in range(slots):
            running = np.where(before, self.stages.awake[t], self.stages.waking[t])
            cost += np.where(awake[t], running, self.stages.asleep[t])
            slept = np.where(awake[t], 0, np.minimum(slept + 1, states - 1))
            cost += self.missed_g[t][slept, every]
            before = awake[t]
        return cost


@dataclass(frozen=True, slots=True)
class Sleepers:
    """A fleet some or all of whose nodes may sleep, in the hub form."""

    program: HubProgram
    """With every node awake."""
    data: SleepData
    asleep: Bools
    """(N,) before the first slot."""
    may: Bools
    """(T, N) whether each node may sleep; where it may not, it is awake on every path."""
    due: Ints
    """(K,) last slot in which each class may run."""

    @classmethod
    def of(cls, fleet: Fleet, program: HubProgram) -> Sleepers:
        """Of ``fleet``, whose hub form with every node awake and whole batches is ``program``."""
        tau = fleet.seconds_per_batch.T
        usable_s = np.broadcast_to(np.maximum(fleet.slot_s - fleet.wake_s, 0.0), tau.shape)
        plenty, per_batch_s = np.full(tau.shape, np.inf), program.seconds_per_batch
        capacity = np.divide(fleet.slot_s, per_batch_s, out=plenty.copy(), where=per_batch_s > 0)
        waking = np.divide(usable_s, tau, out=np.where(usable_s > 0, np.inf, 0.0), where=tau > 0)
        waking = np.floor(waking + 1e-9)  # whole batches, of which there may be more than a share of a slot's
        may = np.ascontiguousarray(fleet.sleepers_by_slot().T)
        spared = fleet.slot_s * (fleet.sleep_w - fleet.static_w)
        asleep = program.static_j + np.where(may, spared, 0.0)
        data = SleepData(asleep, fleet.wake_j, capacity, waking)
        return cls(program, data, fleet.asleep, may, due_slots(fleet))

    def answer(self, found: Certified, block_nodes: int = BLOCK_NODES) -> Paths:
        """Bound and paths at the prices of ``found``, a plan of the same fleet with any load of being awake."""
        hubs = open_hubs(self.program)
        parts = [
            self._block(slice(start, start + block_nodes), hubs, found)
            for start in range(0, self.program.nodes, block_nodes)
        ]
        joined = [np.concatenate([getattr(part.stages, name) for part in parts], axis=1) for name in _NAMES]
        return Paths(
            sum(part.bound_g for part in parts),
            np.concatenate([part.awake for part in parts], axis=1),
            np.concatenate([part.best_g for part in parts]),
            Stages(*joined),
            np.concatenate([part.missed_g for part in parts], axis=2),
        )

    def _block(self, nodes: slice, hubs: Hubs, found: Certified) -> Paths:
        block = Block(self.program.take(nodes), hubs)
        p = block.program
        prices = NodePrices(
            np.maximum(found.nodes.store_g_per_j[:, nodes], 0.0),
            np.minimum(found.nodes.done_g_per_batch[:, nodes], p.unserved_g),
            np.maximum(found.nodes.cap_g_per_batch[:, nodes], 0.0),
        )
        energy = np.where(hubs.energy, found.energy_price_g_per_j, 0.0)
        work = np.where(hubs.work, found.work_price_g_per_batch, 0.0)
        stages = Stage(block, energy, work, prices).of(self.data.take(nodes))
        stages.asleep[~self.may[:, nodes]] = np.inf
        missed = self._missed_g(p, prices)
        cost, awake = best_paths(stages, self.asleep[nodes], missed)
        return Paths(float(cost.sum()) + priced(block, prices), awake, cost, stages, missed)

    def _missed_g(self, p: HubProgram, prices: NodePrices) -> Floats:
        """(T, q+2, n) cost of the work left undone by a node that has slept so many slots at the end of a slot: what
        may not leave of the classes whose window ends there and lies within them."""
        window, slots = p.deadline_slots + 1, p.slots
        out = np.zeros((slots, window + 1, p.nodes))
        stays = p.class_batches - p.offload_cap_batches
        each = (p.unserved_g - prices.done_g_per_batch) * np.maximum(stays, 0.0)
        for k in range(p.classes):
            first, last = max(0, k - p.deadline_slots), min(int(self.due[k]), slots - 1)
            if last >= first:
                out[last, last - first + 1 :] += each[k]
        return out


_NAMES = ("awake", "asleep", "waking")


def priced(block: Block, prices: NodePrices) -> float:
    """What the prices are worth where no slot and no state looks at it: charges, work to be done, room to leave."""
    p, store = block.program, prices.store_g_per_j
    reduced = store.copy()
    reduced[:-1] -= p.keep_fraction * store[1:]
    reduced[-1] -= p.stored_value_g_per_j
    kept = np.minimum(reduced, 0.0) * block.view(block.upper, "stored") * block.view(block.free, "stored")
    lacking = np.minimum(p.step_g_per_j - store[-1], 0.0)
    lacking = lacking * block.view(block.upper, "missing") * block.view(block.free, "missing")
    return (
        block.constant
        - float(np.vdot(block.row(block.right, "store"), store))
        + float(np.vdot(p.class_batches, prices.done_g_per_batch))
        - float(np.vdot(p.offload_cap_batches, prices.cap_g_per_batch))
        + float(kept.sum() + lacking.sum())
    )


def best_paths(stages: Stages, asleep: Bools, missed_g: Floats) -> tuple[Floats, Bools]:
    """(n,) least cost over all paths, and (T, n) such a path. ``missed_g`` (T, S, n): extra, by slots asleep so far."""
    slots, states, nodes = missed_g.shape
    cost = np.full((states, nodes), np.inf)
    came: list[Ints] = []
    deepest: list[Bools] = []
    for t in range(slots):
        now = np.full((states, nodes), np.inf)
        if t == 0:
            now[0] = np.where(asleep, stages.waking[0], stages.awake[0])
            now[1] = stages.asleep[0]
            came.append(np.zeros(nodes, dtype=np.int64))
            deepest.append(np.zeros(nodes, dtype=bool))
        else:
            from_sleep = cost[1:].argmin(axis=0) + 1
            stay = cost[0] + stages.awake[t]
            wake = np.take_along_axis(cost, from_sleep[None], 0)[0] + stages.waking[t]
            now[0] = np.minimum(stay, wake)
            came.append(np.where(stay <= wake, 0, from_sleep))
            now[1:] = cost[:-1] + stages.asleep[t]
            longer = cost[-1] + stages.asleep[t]  # the last state holds all longer sleeps
            deepest.append(longer < now[-1])
            now[-1] = np.minimum(now[-1], longer)
        cost = now + missed_g[t]
    state = cost.argmin(axis=0)
    least = np.take_along_axis(cost, state[None], 0)[0]
    awake = np.zeros((slots, nodes), dtype=bool)
    for t in range(slots - 1, -1, -1):
        awake[t] = state == 0
        slept = np.where((state == states - 1) & deepest[t], state, state - 1)
        state = np.where(state == 0, came[t], slept)
    return least, awake
