"""Work that may wait, as flows through time: a second kind of store.

A class of work may run in any slot of its window, so that its batches would need a variable for each of them. Classes
whose windows begin and end in the same order need none of that: done in the order of their deadlines, they are one
flow. What has arrived and is not done yet waits, like charge in a battery, and no more may wait after a slot than what
is due later:

    waiting_t = waiting_{t-1} + arrived_t - own_t - sent_t - unserved_t,    0 <= waiting_t <= what is due later

Of a class, what may leave its owner (D5) and what must stay are two flows: then nothing else is left of (D4) and (D5),
and the size of a node's problem does not depend on how long work may wait. Both forms have the same optimum as long as
work that is due earlier is not cheaper to leave undone; classes out of order are a flow of their own. What waits after
the last slot is work due beyond the horizon, and costs what leaving that undone costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from coordinator.market.fleet import Floats
from coordinator.market.wide.hub import HubProgram


@dataclass(frozen=True, slots=True)
class Window:
    """The slots in which a class may run, and what leaving it undone costs."""

    number: int
    first: int
    last: int
    unserved_g: Floats
    """(N,) a batch."""
    beyond: bool
    """It may run to the last slot, and its deadline lies beyond."""

    def follows(self, other: Window) -> bool:
        """Whether it may stand behind ``other`` in a flow."""
        ordered = other.first <= self.first and other.last <= self.last
        if not ordered or (self.unserved_g > other.unserved_g).any():
            return False
        # of a slot's end, a flow knows one price; beyond the last one, another
        alike = other.last != self.last or other.beyond != self.beyond
        return alike or bool((self.unserved_g == other.unserved_g).all())


@dataclass(frozen=True, slots=True)
class Flow:
    """Classes in order."""

    classes: tuple[Window, ...]
    leaves: bool
    """Whether it is what may leave its owner, or what must stay."""

    def batches(self, program: HubProgram, number: int) -> Floats:
        """(N,) of a class."""
        every, leave = program.class_batches[number], program.offload_cap_batches[number]
        return np.minimum(every, leave) if self.leaves else np.maximum(every - leave, 0.0)


def windows(program: HubProgram) -> list[Window]:
    """Of all classes that may run in any slot. Raises ValueError where a class may run, may not, and may again."""
    found = []
    for k in range(program.classes):
        window = np.arange(max(0, k - program.deadline_slots), min(k, program.slots - 1) + 1)
        slots = window[~program.closed[k - window, window]]
        if not len(slots):
            continue
        first, last = int(slots[0]), int(slots[-1])
        if last - first + 1 != len(slots):
            raise ValueError(f"class {k} may run in slots {slots.tolist()}; allowed are slots in a row")
        found.append(Window(k, first, last, program.unserved_g[k], last == program.slots - 1 < k))
    return found


def flows_of(program: HubProgram) -> list[Flow]:
    """All flows of ``program``, those that may leave first."""
    chains: list[list[Window]] = []
    for one in sorted(windows(program), key=lambda one: (one.first, one.last, one.number)):
        chain = next((chain for chain in chains if one.follows(chain[-1])), None)
        if chain is None:
            chains.append([one])
        else:
            chain.append(one)
    flows = [Flow(tuple(chain), leaves) for leaves in (True, False) for chain in chains]
    return [flow for flow in flows if any(flow.batches(program, one.number).any() for one in flow.classes)]


@dataclass(frozen=True, slots=True)
class Waiting:
    """The flows of some nodes: (F, T, n) each."""

    flows: list[Flow]
    arrived: Floats
    most_waiting: Floats
    """After each slot."""
    open: Floats
    """Batches of the classes that may run in the slot."""
    due: Floats
    """Batches of the classes whose window ends with the slot, and whose deadline is not beyond the horizon."""
    unserved_g: Floats
    """Cost of leaving a batch undone that is due in the slot."""
    left_g: Floats
    """(F, n) cost of a batch that waits after the last slot."""
    never_g: float
    """Cost of the classes that may run in no slot."""

    @classmethod
    def of(cls, program: HubProgram, flows: list[Flow]) -> Waiting:
        """Of ``program``, whose flows are ``flows``, or those of the fleet that it is a part of."""
        shape = (len(flows), program.slots, program.nodes)
        arrived, most, open_, due, price = (np.zeros(shape) for _ in range(5))
        left = np.zeros((len(flows), program.nodes))
        runs = set()
        for f, flow in enumerate(flows):
            for one in flow.classes:
                batches, k = flow.batches(program, one.number), one.number
                runs.add(k)
                arrived[f, one.first] += batches
                open_[f, one.first : one.last + 1] += batches
                most[f, one.first : one.last] += batches
                if one.beyond:
                    most[f, one.last] += batches
                    left[f] = program.unserved_g[k]
                else:
                    due[f, one.last] += batches
                    price[f, one.last] = program.unserved_g[k]
        never = [k for k in range(program.classes) if k not in runs]
        never_g = float(np.vdot(program.unserved_g[never], program.class_batches[never]))
        return cls(flows, arrived, most, open_, due, price, left, never_g)

    @property
    def leaving(self) -> int:
        """Flows that may leave: the first of all."""
        return sum(flow.leaves for flow in self.flows)

    def __iter__(self) -> Iterator[tuple[int, Flow]]:
        return iter(enumerate(self.flows))


def in_classes(
    program: HubProgram, flows: list[Flow], own: Floats, sent: Floats
) -> tuple[Floats, Floats, Floats]:
    """What flows do, by class: own and sent batches (q+1, T, N), and what is left undone (K, N). ``own`` (F, T, N) and
    ``sent`` of those that may leave, in the order of their deadlines."""
    shape = (program.deadline_slots + 1, program.slots, program.nodes)
    home, away, undone = np.zeros(shape), np.zeros(shape), program.class_batches.copy()
    for f, flow in enumerate(flows):
        left = {one.number: flow.batches(program, one.number).copy() for one in flow.classes}
        for t in range(program.slots):
            done = own[f, t] + sent[f, t] if flow.leaves else own[f, t]
            share = np.divide(own[f, t], done, out=np.ones_like(done), where=done > 0) if flow.leaves else 1.0
            for one in flow.classes:
                if not one.first <= t <= one.last:
                    continue
                put = np.minimum(left[one.number], done)
                left[one.number] -= put
                done = done - put
                undone[one.number] -= put
                home[one.number - t, t] += share * put
                away[one.number - t, t] += put - share * put
    return home, away, np.maximum(undone, 0.0)


def least_g(program: HubProgram, runs: list[Window], home_g: Floats, away_g: Floats) -> tuple[Floats, Floats]:
    """(K, N) of each class, g a batch: what it costs where it must stay and where it may leave, at the least cost of
    its window's slots at home ``home_g`` (T, N) and away ``away_g``, or undone."""
    stay, leave = program.unserved_g.copy(), program.unserved_g.copy()
    anywhere = np.minimum(home_g, away_g)
    for one in runs:
        slots = slice(one.first, one.last + 1)
        np.minimum(stay[one.number], home_g[slots].min(axis=0), out=stay[one.number])
        np.minimum(leave[one.number], anywhere[slots].min(axis=0), out=leave[one.number])
    return stay, leave
