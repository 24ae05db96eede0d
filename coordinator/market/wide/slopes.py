"""Schedules of who is awake, from plans in which being awake is paid batch by batch.

Being awake costs a node static energy whether it runs one batch or fifty, which makes sleep a matter of whole numbers.
Slope scaling (Kim and Pardalos 1999) pays it by the batch: first spread over all that the node could run, a relaxation,
then over what it ran in the plan before. Nodes that ran little become dear, those that ran much cheap, and the work
gathers where it is worth being awake. Each plan is a hub program like any other, to a loose gap; all nodes that
run more than a share of what they could are awake."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from coordinator.market.fleet import Bools, Floats
from coordinator.market.wide.decomposition import Certified
from coordinator.market.wide.hub import HubProgram
from coordinator.market.wide.sleep_paths import Sleepers

LEAST_SHARE = 0.02
"""A node that runs less than this share of what it could is taken to run nothing: plans come from an interior point."""
_DETUNE = 0.02
"""Nodes alike would all run the same share of the work: they differ by up to this much of their static energy."""


@dataclass(frozen=True, slots=True)
class Sloped:
    """One of the plans."""

    program: HubProgram
    found: Certified
    share: Floats
    """(T, N) what each node runs of what it could, 0..1."""


def most_batches(sleepers: Sleepers) -> Floats:
    """(T, N) batches that a node could run in a slot, at least 1."""
    program = sleepers.program
    own = np.zeros((program.slots, program.nodes))
    for left in range(program.deadline_slots + 1):
        may = ~program.closed[left][:, None]
        own += program.class_batches[left : left + program.slots] * may
    return np.maximum(np.minimum(sleepers.data.capacity, own + program.guest_cap_batches), 1.0)


def sloped_plans(
    sleepers: Sleepers, times: int, solve: Callable[[HubProgram], Certified]
) -> Iterator[Sloped]:
    """``times`` plans, the first of which is of a relaxation but for waking up."""
    program, data = sleepers.program, sleepers.data
    extra = np.maximum(program.static_j - data.asleep_j, 0.0)
    detune = 1.0 + _DETUNE * np.random.default_rng(0).uniform(-1.0, 1.0, program.nodes)
    most = most_batches(sleepers)
    slope = extra / most
    for _ in range(times):
        paid = replace(program, static_j=data.asleep_j, joules_per_batch=program.joules_per_batch + slope)
        found = solve(paid)
        runs = found.plan.own_batches.sum(axis=0) + found.plan.guest_batches
        share = runs / most
        yield Sloped(paid, found, share)
        slope = detune * (extra + _waking(sleepers, share)) / np.maximum(runs, LEAST_SHARE * most)


def _waking(sleepers: Sleepers, share: Floats) -> Floats:
    """(T, N) J of waking up that a slot awake brings along, or spares the slot after it; none of nodes that cannot
    sleep."""
    awake: Bools = share > LEAST_SHARE
    before = np.vstack([~sleepers.asleep, awake[:-1]])
    after = np.vstack([awake[1:], np.zeros(awake.shape[1], dtype=bool)])
    wakes = (~before).astype(np.float64) - after
    return np.asarray(np.maximum(sleepers.data.wake_j * wakes * sleepers.may, 0.0))
