"""Feasibility check before anything starts: conflicting limits, and by how much they conflict."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from coordinator.market.solve import find_conflicts
from coordinator.simulator.regret import PAIRWISE_AT_MOST, NoBoundError, oracle_bound
from experiments.errors import UsageError
from experiments.resolve.chosen_policy import chosen_traits
from experiments.resolve.foresight import whole_run
from experiments.resolve.slot_length import work_keys
from protos.messages.terms import Stage

if TYPE_CHECKING:
    from coordinator.market.decision import Infeasible
    from coordinator.market.fleet import Fleet
    from coordinator.market.layout import Restrictions
    from experiments.resolve.resolved import Resolved

LINES_AT_MOST = 8
LIMITS = {
    "D7_time": "(D7) time",
    "D7_storage": "(D7) storage for guests",
    "D5_offload_cap": "(D5) offload cap",
}
UNITS = {"seconds": "s", "bytes": "bytes", "batches": "batches"}


def refuse_impossible(resolved: Resolved, busy_s: list[float]) -> None:
    """Raises UsageError where no plan that the policy may make does all the work a scenario fixes.

    ``busy_s``: seconds each node's board needs for its own work of a slot. Where that fits every node's slot there
    is a plan, and the model is not asked. Random requests (open loop) are load, not a promise:
    they are left out, and what of them is not served is reported by the run."""
    if max(busy_s) <= resolved.slot_s:
        return
    scenario = resolved.scenario
    freedoms = chosen_traits(scenario).restrictions
    fleet = whole_run(resolved)
    if scenario.inference.arrivals != "batches":
        fleet = _without_requests(fleet, resolved.stages)
    found = _conflicts(fleet, freedoms)
    if found is not None:
        worst = max(range(len(busy_s)), key=lambda i: busy_s[i])
        raise UsageError(
            f"infeasible: under policy {scenario.policy} no plan does all work by its deadline. In conflict: "
            f"{describe(found)}. {resolved.node_ids[worst]} needs {busy_s[worst]:.3g} s for its own work of a slot of "
            f"{resolved.slot_s:.3g} s. Lengthen time.slot_s; or lower {work_keys(scenario)}; or, with a policy that "
            "moves work, raise "
            "limits.offload_cap_fraction, limits.deadline_slots or board.storage_bytes"
        )


def _without_requests(fleet: Fleet, stages: tuple[Stage, ...]) -> Fleet:
    serving = [stage is Stage.APPLICATION for stage in stages]
    releases, backlog = fleet.release_batches.copy(), fleet.backlog_batches.copy()
    releases[:, serving[1:]] = 0
    if serving[0]:
        backlog[:] = 0
    return replace(fleet, release_batches=releases, backlog_batches=backlog)


def _conflicts(fleet: Fleet, freedoms: Restrictions) -> Infeasible | None:
    if not freedoms.offloading or fleet.size <= PAIRWISE_AT_MOST:
        return find_conflicts(fleet, freedoms)
    try:  # many nodes: the hub form says whether, and each node's own limits say by how much
        # whether work can be done does not depend on energy, so the quicker of the two transfer caps will do
        limits = replace(fleet.limits, may_sleep=False, transfer_cap_over="slot")
        oracle_bound(replace(fleet, limits=limits), freedoms)
    except NoBoundError:
        return find_conflicts(fleet, replace(freedoms, transfers=False, offloading=False))
    return None


def describe(found: Infeasible) -> str:
    """Limits with the largest amount by which each is missed, the worst first; slots of one node drawn together."""
    worst: dict[tuple[str, str, str], tuple[float, int, str]] = {}
    for name, amount in found.excess.items():
        row, _, unit = name.partition(" ")
        limit, node, slot = row.split(".", 2)
        key = (limit, node, UNITS[unit.strip("[]")])
        most, count, where = worst.get(key, (0.0, 0, slot))
        worst[key] = (max(most, amount), count + 1, slot if amount > most else where)
    lines = sorted(worst.items(), key=lambda item: -item[1][0])
    texts = [
        f"{LIMITS[limit]} of {node}: {amount:.4g} {unit} too little in {slot}"
        + (f", and in {count - 1} more slots" if count > 1 else "")
        for (limit, node, unit), (amount, count, slot) in lines[:LINES_AT_MOST]
    ]
    more = [f"and {len(lines) - LINES_AT_MOST} more"] if len(lines) > LINES_AT_MOST else []
    return "; ".join(texts + more)
