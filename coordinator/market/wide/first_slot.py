"""The slot that is decided: its batches made whole, and the energy planned around them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from coordinator.market.fleet import Fleet, Floats, Ints
from coordinator.market.layout import Restrictions
from coordinator.market.participation import model_energy
from coordinator.market.rounding import WorkLimits
from coordinator.market.wide.hub import HubPlan, HubProgram, objective_g
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
    def undone(self) -> float:
        """Batches of all slots."""
        return float(self.plan.unserved_batches.sum())

    def emissions_g(self, slots: int) -> float:
        """Of the first ``slots``."""
        moved = self.plan.offload_batches.sum(axis=0) + self.plan.guest_batches
        return float(
            np.vdot(self.program.grams_per_j[:slots], self.plan.grid_j[:slots])
            + np.vdot(self.program.network_g[:slots], moved[:slots])
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
        self, alike: Ints | None = None, solve: Callable[[HubProgram], HubPlan] | None = None
    ) -> WholePlan:
        """The plan around whole batches (``alike``: whole_work). ``solve`` plans all the rest anew around them; without
        it the rest keeps to ``point``."""
        away = self.point.offload_batches[:, 0].sum(axis=0)
        total = self.point.own_batches[:, 0].sum(axis=0) + away
        work = whole_work(total, away, self.point.guest_batches[0], self.limits, alike)
        program = replace(self.program, static_j=self.program.static_j.copy())
        program.static_j[0] += self._drawn_beside(work.home + work.guests)
        point = self.point if solve is None else solve(_with(program, work))
        own, sent, coming = (
            part.copy() for part in (point.own_batches, point.offload_batches, point.guest_batches)
        )
        own[0, 0], sent[0, 0], coming[0] = work.home, work.away, work.guests
        plan = repair(program, replace(point, own_batches=own, offload_batches=sent, guest_batches=coming))
        return WholePlan(work, program, plan, objective_g(program, plan))

    def _drawn_beside(self, run: Ints) -> Floats:
        """(N,) J of the model's m_i that whole batches draw beside the shares that they have brought along."""
        if self.fleet.model_j is None:
            return np.zeros(self.fleet.size)
        share = model_energy(self.fleet, self.restrictions.offloading).share_j[:, 0]
        return np.where((share > 0) & (run > 0), self.fleet.model_j[:, 0] - share * run, 0.0)


def _with(program: HubProgram, work: WholeWork) -> HubProgram:
    """``program`` with ``work`` settled: in the first slot its joules are static, and there is nothing else to run."""
    static, batches = program.static_j.copy(), program.class_batches.copy()
    leaves, guests = program.offload_cap_batches.copy(), program.guest_cap_batches.copy()
    static[0] += program.joules_per_batch[0] * (work.home + work.guests)
    static[0] += program.guest_j[0] * work.guests + program.owner_j[0] * work.away
    batches[0], leaves[0], guests[0] = 0.0, 0.0, 0.0
    return replace(
        program,
        static_j=static,
        class_batches=batches,
        offload_cap_batches=leaves,
        guest_cap_batches=guests,
    )
