"""The slot that is decided: its batches made whole, and the energy planned around them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from coordinator.market.backlog import Backlog
from coordinator.market.fleet import Bools, Fleet, Floats, Ints
from coordinator.market.layout import Restrictions
from coordinator.market.participation import model_energy
from coordinator.market.rounding import WorkLimits, offload_room
from coordinator.market.wide.hub import HubPlan, HubProgram, by_class, objective_g
from coordinator.market.wide.repair import repair
from coordinator.market.wide.whole_work import WholeWork, whole_work


@dataclass(frozen=True, slots=True)
class WholePlan:
    """A plan whose first slot runs whole batches."""

    work: WholeWork
    program: HubProgram
    """What it is a plan of: with what the whole batches draw beside their shares of m_i."""
    plan: HubPlan
    objective_g: float

    @property
    def emissions_g(self) -> float:
        """Of all planned slots."""
        moved = self.plan.offload_batches.sum(axis=0) + self.plan.guest_batches
        return float(
            np.vdot(self.program.grams_per_j, self.plan.grid_j) + np.vdot(self.program.network_g, moved)
        )


@dataclass(frozen=True, slots=True)
class FirstSlot:
    """The first slot of ``point``, a plan of ``program`` with fractions of batches."""

    fleet: Fleet
    restrictions: Restrictions
    program: HubProgram
    point: HubPlan
    limits: WorkLimits

    def whole(
        self,
        alike: Ints | None = None,
        solve: Callable[[HubProgram], HubPlan] | None = None,
        *,
        early: bool | Bools = False,
    ) -> WholePlan:
        """The plan around whole batches (``alike``, ``early``: whole_work). ``solve`` plans all the rest again around
        them; without it the rest keeps to ``point``."""
        away = self.point.offload_batches[:, 0].sum(axis=0)
        total = self.point.own_batches[:, 0].sum(axis=0) + away
        work = whole_work(total, away, self.point.guest_batches[0], self.limits, alike, early=early)
        stay, leave = self.backlog.take(work.home, work.away)
        program = replace(self.program, static_j=self.program.static_j.copy())
        program.static_j[0] += self._drawn_beside(work.home + work.guests)
        rest = _without(program, work, stay, leave)
        plan = repair(rest, self._later(stay, leave) if solve is None else solve(rest))
        for part, settled in ((plan.own_batches, stay), (plan.offload_batches, leave)):
            part[:, 0] = settled.T
        plan.guest_batches[0] = work.guests
        return WholePlan(work, program, plan, objective_g(program, plan))

    def _later(self, stay: Ints, leave: Ints) -> HubPlan:
        """``point`` with the later slots' own and sent batches of the classes that run in the first slot changed in
        proportion, so that of each class as much stays and leaves as the point says."""
        own, sent = self.point.own_batches.copy(), self.point.offload_batches.copy()
        window = self.program.deadline_slots + 1
        for part, settled in ((own, stay), (sent, leave)):
            planned = by_class(part)[:window]
            later = planned - part[:, 0]
            wanted = np.maximum(planned - settled.T, 0.0)
            share = np.divide(wanted, later, out=np.ones_like(later), where=later > 0)
            for slot in range(1, min(window, self.program.slots)):
                part[: window - slot, slot] *= share[slot:]
        return replace(self.point, own_batches=own, offload_batches=sent)

    @property
    def backlog(self) -> Backlog:
        """The work that may run in the slot, by class."""
        fleet, restrictions = self.fleet, self.restrictions
        may = bool(fleet.offloadable[0]) and restrictions.offloading
        room = offload_room(fleet) if may else np.zeros_like(fleet.backlog_batches)
        return Backlog(fleet.backlog_batches, np.minimum(room, fleet.backlog_batches))

    def _drawn_beside(self, run: Ints) -> Floats:
        """(N,) J of the model's m_i that whole batches draw beside the shares that they have brought along."""
        if self.fleet.model_j is None:
            return np.zeros(self.fleet.size)
        share = model_energy(self.fleet, self.restrictions.offloading).share_j[:, 0]
        return np.where((share > 0) & (run > 0), self.fleet.model_j[:, 0] - share * run, 0.0)


def _without(program: HubProgram, work: WholeWork, stay: Ints, leave: Ints) -> HubProgram:
    """``program`` with ``work`` settled, by class ``stay`` and ``leave`` (N, q+1): in the first slot its joules are
    static, and nothing else may run."""
    static, batches = program.static_j.copy(), program.class_batches.copy()
    leaves, guests = program.offload_cap_batches.copy(), program.guest_cap_batches.copy()
    closed = program.closed.copy()
    static[0] += program.joules_per_batch[0] * (work.home + work.guests)
    static[0] += program.guest_j[0] * work.guests + program.owner_j[0] * work.away
    window = program.deadline_slots + 1
    batches[:window] -= (stay + leave).T
    leaves[:window] = np.maximum(leaves[:window] - leave.T, 0.0)
    guests[0], closed[:, 0] = 0.0, True
    return replace(
        program,
        static_j=static,
        class_batches=batches,
        offload_cap_batches=leaves,
        guest_cap_batches=guests,
        closed=closed,
    )
