"""A day on which nodes may sleep: a plan, and a bound on every plan, from linear programs only.

Which node is awake when is a mixed-integer question, and a general solver leaves it wide open on these days (ten
nodes, 24 slots, two slots of slack). Two things close it:

    bound  The relaxation with the rows of coordinator.market.awake and all work done is tight where caps bind.
    plan   Node by node, highest intensity first: the pattern of whole a_i(t) that keeps the windows and lies nearest to
           the relaxation's is fixed, and the rest solved again; then single slots are flipped where prices say so.

No wall clock and no random number enters: a day gives the same answer on a busy machine as on an idle one. All work
must be done within the day, by plan and bound alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from coordinator.market.awake import own_windows
from coordinator.market.fleet import Fleet
from coordinator.market.layout import Restrictions
from coordinator.market.plan import Plan
from coordinator.market.program import Program, build
from coordinator.market.solve import Session, Solution, to_matrix
from coordinator.simulator.regret import Bound

Floats = NDArray[np.float64]
Windows = Sequence[tuple[int, int]]
"""First and last slot, both inclusive."""

LEANINGS = (-0.1, 0.1, 0.3, 0.5, 1.0)
"""Added to the relaxed a_i(t) before rounding, in this order, until the rest can be solved; the last wakes the node
throughout ([C])."""
FLIPS = 100
"""Most slots that are flipped after the first plan ([C]: none of the days tried needed as many)."""
TRIES = 16
"""Flips that are tried, best price first, before the plan counts as done ([C]: with 40 a day takes two fifths
longer, and no mean reduction of the surface rises by a point)."""


def plan_and_bound(fleet: Fleet, restrictions: Restrictions) -> Bound | None:
    """Plan and bound of ``fleet``'s day; None where no plan that does all work was found."""
    session, relaxed, least, windows = _relaxation(fleet, restrictions)
    found = _dive(session, relaxed, least, windows)
    if found is None:
        return None
    solution, awake = found
    solution = _flip(session, relaxed, solution, awake, windows)
    assert solution.values is not None
    plan_g = Plan(relaxed, solution.values).objective_g
    least_g = (least.objective or 0.0) * relaxed.grams_per_unit
    gap = (plan_g - least_g) / plan_g if plan_g > 0 else 0.0
    return Bound(least_g, plan_g, max(gap, 0.0))


def bound_g(fleet: Fleet, restrictions: Restrictions) -> float:
    """g CO2e that no plan of ``fleet``'s day undercuts."""
    _, relaxed, least, _ = _relaxation(fleet, restrictions)
    return (least.objective or 0.0) * relaxed.grams_per_unit


def _relaxation(
    fleet: Fleet, restrictions: Restrictions
) -> tuple[Session, Program, Solution, list[list[tuple[int, int]]]]:
    """The day with a_i(t) anywhere from 0 to 1, with the rows of the windows: session, program, solution, windows."""
    program = build(fleet, restrictions, tie_break=False)
    columns = program.layout.columns
    upper = program.column_upper.copy()
    for name in ("unserved", "left"):
        if name in columns:
            upper[columns[name]] = 0.0
    relaxed = replace(program, column_upper=upper, integer=np.zeros_like(program.integer))
    session = Session(relaxed)
    least = session.run()
    if least.values is None or least.objective is None:
        raise ValueError(f"no relaxation of a day with sleep: the solver said {least.message!r}")
    return session, relaxed, least, own_windows(program)


def nearest_pattern(level: Floats, windows: Windows) -> Floats:
    """Zeros and ones nearest to ``level`` (sum of differences) with a one in every window; by dynamic programming."""
    must_follow: dict[int, int] = {}
    """For every slot in which a window ends, the earliest that the last one before may lie."""
    for first, last in windows:
        must_follow[last] = max(first, must_follow.get(last, -1))
    best: dict[int, tuple[float, tuple[float, ...]]] = {-1: (0.0, ())}
    """By the last slot that is one."""
    for slot, value in enumerate(level):
        after: dict[int, tuple[float, tuple[float, ...]]] = {}
        for last, (cost, pattern) in best.items():
            for bit in (0.0, 1.0):
                now = slot if bit else last
                if now < must_follow.get(slot, -1):
                    continue
                total = cost + abs(bit - float(value))
                if now not in after or total < after[now][0]:
                    after[now] = (total, (*pattern, bit))
        best = after
    return np.array(min(best.values())[1])


def _dive(
    session: Session, program: Program, start: Solution, windows: list[list[tuple[int, int]]]
) -> tuple[Solution, Floats] | None:
    """Fix all a_i(t), node by node; the last solution and the (N, H) pattern. None where a node has no pattern."""
    a = program.layout.columns["a"]
    awake = np.zeros(a.shape)
    current = start
    for node in np.argsort(-program.fleet.intensity_g_per_kwh.mean(axis=1), kind="stable"):
        assert current.values is not None
        level, best, tried = current.values[a[node]], None, set()
        for leaning in LEANINGS:
            pattern = nearest_pattern(np.clip(level + leaning, 0.0, 1.0), windows[node])
            if (key := pattern.tobytes()) in tried:
                continue
            tried.add(key)
            session.fix(a[node], pattern)
            seen = session.run()
            if seen.values is None:
                continue
            if best is not None and (seen.objective or 0.0) >= (best[0].objective or 0.0):
                break
            best = (seen, pattern)
        if best is None:
            return None
        current, awake[node] = best
        session.fix(a[node], awake[node])
    return session.run(), awake


def _flip(
    session: Session,
    program: Program,
    start: Solution,
    awake: Floats,
    windows: list[list[tuple[int, int]]],
) -> Solution:
    """Wake or put to sleep single nodes in single slots while that lowers the objective; changes ``awake``."""
    a = program.layout.columns["a"]
    matrix = to_matrix(program)[:, a.ravel()].T
    current = start
    for _ in range(FLIPS):
        assert current.row_duals is not None
        price = program.cost[a] - (matrix @ current.row_duals).reshape(a.shape)
        gain = np.where(awake > 0, price, -price)
        better: Solution | None = None
        for place in np.argsort(-gain, axis=None, kind="stable")[:TRIES]:
            node, slot = (int(k) for k in np.unravel_index(place, gain.shape))
            if gain[node, slot] <= 0:
                break
            other = 1.0 - awake[node, slot]
            if other == 0 and any(
                f <= slot <= e and awake[node, f : e + 1].sum() <= 1 for f, e in windows[node]
            ):
                continue
            session.fix(a[node, slot : slot + 1], np.array([other]))
            seen = session.run()
            if seen.values is not None and (seen.objective or 0.0) < (current.objective or 0.0) - 1e-9:
                awake[node, slot], better = other, seen
                break
            session.fix(a[node, slot : slot + 1], awake[node, slot : slot + 1])
        if better is None:
            break
        current = better
    return current
