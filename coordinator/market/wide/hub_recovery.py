"""Pairwise transfers from a hub plan: a filling of each slot's hub ledger, O(N log N) per slot.

Any filling is optimal, since (D0)-(D8) see only each node's totals (hub.py). This one lays supplies and demands end to
end in node order and cuts both at every boundary (the north-west corner rule): at most 2 N - 1 flows, and no node
is split more than needed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from coordinator.market.fleet import Floats, Ints
from coordinator.market.wide.hub import HubPlan, HubProgram, load_j

_NOTHING = 1e-12
"""Share of a slot's trade below which a flow is rounding."""


@dataclass(frozen=True, slots=True)
class Flows:
    """Amounts between pairs in one slot; no pair twice, never a node with itself."""

    source: Ints
    target: Ints
    amount: Floats

    def matrix(self, nodes: int) -> Floats:
        """(N, N), for small fleets."""
        out = np.zeros((nodes, nodes))
        np.add.at(out, (self.source, self.target), self.amount)
        return out


def without_self_trade(program: HubProgram, plan: HubPlan) -> HubPlan:
    """The same plan with what nodes trade with themselves taken out: never worse (hub.py)."""
    p = program
    both = np.minimum(p.export_efficiency * plan.export_j, plan.import_j)
    gives = p.export_efficiency > 0
    export = plan.export_j - np.divide(both, p.export_efficiency, out=np.zeros_like(both), where=gives)
    import_ = plan.import_j - both
    sent = plan.offload_batches.sum(axis=0)
    home = np.minimum(sent, plan.guest_batches)
    kept = plan.offload_batches * np.divide(home, sent, out=np.zeros_like(sent), where=sent > 0)
    moved = replace(
        plan,
        export_j=export,
        import_j=import_,
        own_batches=plan.own_batches + kept,
        offload_batches=plan.offload_batches - kept,
        guest_batches=plan.guest_batches - home,
    )
    load = load_j(p, moved)
    into = p.harvest_j + plan.discharge_j + p.import_efficiency * import_ - plan.charge_j - export
    green = np.clip(np.minimum(into, load), 0.0, None)
    return replace(
        moved, green_j=green, grid_j=np.maximum(load - green, 0.0), curtailed_j=np.maximum(into - green, 0.0)
    )


def energy_flows(program: HubProgram, plan: HubPlan, slot: int) -> Flows:
    """Joules leaving donor ``source`` for recipient ``target`` in a slot; plan without self-trade."""
    flows = fill(program.export_efficiency * plan.export_j[slot], plan.import_j[slot])
    return replace(flows, amount=flows.amount / program.export_efficiency[flows.source])


def work_flows(plan: HubPlan, slot: int) -> Flows:
    """Batches of owner ``source`` run by executor ``target`` in a slot; plan without self-trade."""
    return fill(plan.offload_batches[:, slot].sum(axis=0), plan.guest_batches[slot])


def fill(given: Floats, taken: Floats) -> Flows:
    """Amounts between pairs, by the north-west corner rule; both sides in the hub's units."""
    total = min(float(given.sum()), float(taken.sum()))
    if total <= 0.0:
        empty = np.zeros(0, dtype=np.int64)
        return Flows(empty, empty, np.zeros(0))
    supply, demand = np.cumsum(given), np.cumsum(taken)
    # the two sides differ by rounding only: let both end at the same place
    supply *= total / supply[-1]
    demand *= total / demand[-1]
    ends = np.union1d(supply, demand)
    amount = np.diff(ends, prepend=0.0)
    middle = ends - 0.5 * amount
    source = np.minimum(np.searchsorted(supply, middle), len(given) - 1)
    target = np.minimum(np.searchsorted(demand, middle), len(taken) - 1)
    real = (amount > _NOTHING * total) & (source != target)
    return Flows(source[real], target[real], amount[real])
