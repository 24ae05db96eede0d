"""Decisions at 1,000 to 100,000 nodes, as the policy that is registered takes them.

Claim:   DETA decides 1,000 nodes over 24 slots in at most 1.2 times the bare decomposition of the same fleet, at least
         100 times faster than in the pairwise form; to 100,000 nodes its time grows at most 1.3 times linearly, in less
         than 8 GiB; whole batches cost at most 1e-4 of the objective, and the decision states a gap of at most 0.1 %.
         Ten nodes over 24 slots take at most 1.2 times one bare solver call. With work that may wait three slots a
         decision of 300 nodes takes at most 4 times what it takes without.
Cost:    --quick within a minute on two cores, otherwise about ten.
Command: python -m benchmarks.scale [--quick] [--json]

What is compared: CPU seconds of all threads. *Bare* is the decomposition of the fleet's program, to the gap that the
decision asks of it, and nothing else. Both take turns in one process. Sizes above 1,000 have a fresh process each, so
that the peak of memory is their own. The pairwise form is measured at the largest fleet that takes under a minute and
extrapolated by its growth, fitted as a power of the number of nodes; the figures state both. Every fleet differs node
by node (benchmarks.optimiser.large_fleet).
"""

from __future__ import annotations

import math
import multiprocessing
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks._command import measuring, parser, show
from benchmarks._decision import measure_decision
from benchmarks.optimiser import large_fleet, peak_gib
from coordinator.market.decision import Feasible
from coordinator.market.fleet import Fleet
from coordinator.market.layout import Restrictions
from coordinator.market.wide import decomposition, hub
from coordinator.market.wide.decide import SHARE_OF_GAP, why_pairwise
from coordinator.policies.optimised import ModelPolicy, optimise
from coordinator.policies.registry import make_policy

SLOTS = 24
DETA = Restrictions(transfers=True, offloading=True, harvest=True)
PAIRWISE_AT_MOST_S = 60.0
WAITING_NODES, WAITING_SLOTS, WAITING_LOOK_AHEAD = 300, 3, (4, SLOTS)
"""Nodes, slots that work may wait, and slots that are planned: the least that is, and a day."""
LATER = ("growth_1000_to_100000_over_linear", "peak_100000_gib")
"""Goals that --quick leaves out: sizes above 1,000."""


def decision(nodes: int, repeats: int) -> dict[str, Any]:
    """CPU seconds of DETA's decision and of the bare decomposition, in turns; gap, cost of whole batches, and peak."""
    fleet, policy = large_fleet(nodes, SLOTS), make_policy("deta")
    assert isinstance(policy, ModelPolicy)
    assert why_pairwise(fleet) is None, why_pairwise(fleet)
    found: dict[str, Any] = {}
    for _ in range(repeats):
        began = time.process_time()
        decided, _ = policy.decide(fleet, None)
        between = time.process_time()
        program = hub.from_fleet(fleet, DETA, whole_batches=True)
        ready = time.process_time()
        bare = decomposition.solve(program, SHARE_OF_GAP * policy.mip_gap)
        found.setdefault("decision_cpu_s", []).append(between - began)
        found.setdefault("bare_cpu_s", []).append(time.process_time() - ready)
    gap = decided.outcome.gap_fraction if isinstance(decided.outcome, Feasible) else 0.0
    return found | {
        "gap_fraction": gap,
        "rounding_fraction": abs(decided.notes["objective_g"] - bare.objective_g) / abs(bare.objective_g),
        "peak_gib": peak_gib(),
    }


def waiting_fleet(nodes: int, slots: int, deadline_slots: int) -> Fleet:
    """``large_fleet`` whose work may wait; of its backlog a fourth is due in the present slot."""
    fleet = large_fleet(nodes, slots)
    backlog = np.zeros((nodes, deadline_slots + 1), dtype=np.int64)
    backlog[:, 0] = fleet.backlog_batches[:, 0] // 4
    backlog[:, deadline_slots] += fleet.backlog_batches[:, 0] - backlog[:, 0]
    limits = replace(fleet.limits, deadline_slots=deadline_slots)
    return replace(fleet, limits=limits, backlog_batches=backlog)


def waiting_over_not(nodes: int, slots: int, repeats: int) -> tuple[float, float, int]:
    """CPU seconds of a decision with work that may wait three slots, over those of one without, in turns (median); the
    former's seconds; and the batches that it leaves undone."""
    policy, ratios, seconds, undone = make_policy("deta"), [], [], 0
    fleets = [waiting_fleet(nodes, slots, deadline) for deadline in (0, WAITING_SLOTS)]
    for _ in range(repeats):
        taken = []
        for fleet in fleets:
            assert why_pairwise(fleet) is None, why_pairwise(fleet)
            began = time.process_time()
            decided, _ = policy.decide(fleet, None)
            taken.append(time.process_time() - began)
        undone = int(decided.unserved_batches.sum())
        ratios.append(taken[1] / taken[0])
        seconds.append(taken[1])
    return statistics.median(ratios), statistics.median(seconds), undone


def in_a_fresh_process(nodes: int, repeats: int) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(decision, nodes, repeats).result()


def pairwise_s(sizes: tuple[int, ...], say: Callable[[str], None]) -> dict[int, float]:
    """CPU seconds of the pairwise form by number of nodes, up to the last that takes at most a minute."""
    taken: dict[int, float] = {}
    for nodes in sizes:
        say(f"pairwise form, {nodes} nodes x {SLOTS} slots")
        fleet = large_fleet(nodes, SLOTS)
        began = time.process_time()
        optimise(fleet, DETA, hub=False)
        seconds = time.process_time() - began
        if seconds > PAIRWISE_AT_MOST_S:
            break
        taken[nodes] = seconds
    return taken


def extrapolated_s(taken: dict[int, float], nodes: int) -> tuple[float, float]:
    """Seconds at ``nodes`` from the largest measured, and the power of the last two by which they grow."""
    (small, less), (large, more) = sorted(taken.items())[-2:]
    power = math.log(more / less) / math.log(large / small)
    return more * (nodes / large) ** power, power


def run(quick: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure everything: figures, goals, and the goals that --quick leaves out."""
    figures: dict[str, Any] = {}
    goals: dict[str, dict[str, Any]] = {}

    def goal(name: str, op: str, limit: float, value: float) -> None:
        met = value >= limit if op == ">=" else value <= limit
        goals[name] = {"op": op, "goal": limit, "value": value, "met": bool(met)}

    say(f"decisions of 1,000 nodes x {SLOTS} slots, and the bare decomposition")
    thousand = in_a_fresh_process(1000, 3 if quick else 7)
    ours, bare = thousand["decision_cpu_s"], thousand["bare_cpu_s"]
    figures |= {
        "decision_1000_cpu_s": statistics.median(ours),
        "bare_decomposition_1000_cpu_s": statistics.median(bare),
    }
    goal(
        "decision_over_bare_decomposition_1000",
        "<=",
        1.2,
        statistics.median(a / b for a, b in zip(ours, bare, strict=True)),
    )
    taken = pairwise_s((10, 20) if quick else (10, 20, 40, 60, 80, 120), say)
    pairwise, power = extrapolated_s(taken, 1000)
    figures |= {f"pairwise_{nodes}_cpu_s": seconds for nodes, seconds in taken.items()}
    figures |= {"pairwise_power_of_nodes": power, "pairwise_1000_cpu_s_extrapolated": pairwise}
    goal("pairwise_over_decision_1000", ">=", 100.0, pairwise / statistics.median(ours))
    rows = {1000: thousand}
    for nodes in () if quick else (10_000, 100_000):
        say(f"decision of {nodes:,} nodes x {SLOTS} slots")
        rows[nodes] = in_a_fresh_process(nodes, 1)
        figures[f"decision_{nodes}_cpu_s"] = rows[nodes]["decision_cpu_s"][0]
        figures[f"decision_{nodes}_over_bare"] = (
            rows[nodes]["decision_cpu_s"][0] / rows[nodes]["bare_cpu_s"][0]
        )
        figures[f"peak_{nodes}_gib"] = rows[nodes]["peak_gib"]
    if not quick:
        growth = figures["decision_100000_cpu_s"] / figures["decision_1000_cpu_s"] / 100.0
        goal("growth_1000_to_100000_over_linear", "<=", 1.3, growth)
        goal("peak_100000_gib", "<=", 8.0, figures["peak_100000_gib"])
    goal("rounding_fraction", "<=", 1e-4, max(row["rounding_fraction"] for row in rows.values()))
    goal("gap_fraction", "<=", 1e-3, max(row["gap_fraction"] for row in rows.values()))
    for slots in WAITING_LOOK_AHEAD:
        say(f"decisions of {WAITING_NODES} nodes x {slots} slots with work that may wait, and without")
        ratio, seconds, undone = waiting_over_not(WAITING_NODES, slots, 1 if quick else 5)
        figures[f"waiting_{slots}_slots_cpu_s"] = seconds
        figures[f"waiting_{slots}_slots_undone_batches"] = undone
        goal(f"waiting_over_not_{slots}_slots", "<=", 4.0, ratio)
    say(f"decision of ten nodes x {SLOTS} slots against one bare solver call")
    ten = measure_decision(10, SLOTS, 10 if quick else 40)
    figures |= {"decision_10_s": ten.decide_s, "bare_solver_call_10_s": ten.bare_s}
    goal("decision_over_bare_solver_call_10", "<=", 1.2, ten.ratio)
    return {"figures": figures, "goals": goals, "deferred": list(LATER) if quick else []}


def main() -> None:
    arguments = parser(
        __doc__, "1,000 nodes and the smallest pairwise programs: within a minute"
    ).parse_args()
    show(measuring(lambda say: run(arguments.quick, say)), arguments.json)


if __name__ == "__main__":
    main()
