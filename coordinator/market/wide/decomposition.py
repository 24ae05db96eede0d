"""Decomposition of the hub LP over the hub prices, for large fleets: a plan, a dual bound, a proven gap.

Given prices of the energy hub (lambda_t) and the work hub (mu_t) the nodes have nothing in common. A primal-dual
interior-point method (Mehrotra's predictor-corrector with Gondzio's centrality correctors) follows all nodes'
problems at once: in each step every node is eliminated exactly onto the 2 T hub prices (kkt.py), the
small system of the prices is solved, and the nodes follow. The work of a step is linear in N, and the number of steps
hardly depends on N, less so where a sample's prices tell where to begin (start.py). Plain price updates
(bundle, ADMM) need hundreds of rounds for the same gap.

The proof does not rest on the method's own measures: the bound is Lagrange's at the last prices
(Block.lower_bound), the plan is repaired to keep every limit (repair.py), and the gap is theirs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from operator import methodcaller
from typing import Any

import numpy as np
from scipy import linalg

from coordinator.market.decision import Feasible, Optimal
from coordinator.market.fleet import Floats
from coordinator.market.local_plan import local_plan
from coordinator.market.wide.block import Block, Hubs, open_hubs, scaled
from coordinator.market.wide.hub import HubPlan, HubProgram, objective_g
from coordinator.market.wide.hub_lp import Units, units_of
from coordinator.market.wide.repair import repair
from coordinator.market.wide.start import settle
from coordinator.market.wide.state import State
from coordinator.market.wide.waiting import Flow, flows_of, in_classes

OPTIMAL_GAP = 1e-6
"""A plan proven this close to the optimum is called optimal, as in solve.py."""
_MOST_STEPS = 120
_REACH = 0.99
"""Share of the way to the nearest bound that a step may take."""
_CORRECTORS = 3
_PROXIMITY = 1e-7
_MOST_PROXIMITY = 1e-3
_STRETCH = 0.3
"""By how much a corrector tries to lengthen a step."""
_EARLY = 2.5
"""A repaired plan is usually better than the point it came from: try when the point's gap is this many times the
wanted one."""
SAMPLE_FROM = 1000
"""Nodes from which a sample of them is solved first."""
_SAMPLE_SHARE = 4
_MOST_SAMPLED = 4000
_SAMPLE_GAP = 0.15
"""Gap at which the sample's prices and barrier are taken: nearer to the optimum the nodes would be too close to their
bounds to absorb the sample's error."""
_FAR, _TRIAL_STEPS, _TRIAL_GAIN = 1.5 * _SAMPLE_GAP, 6, 0.85
"""Gap at which a climb from the sample's prices may begin at most, and the share of it that so many steps must come
below. Where little is emitted, as with most nodes asleep, the sample's gap is too near the optimum: such climbs take
tiny steps until none are left, and a climb without the sample does better."""
_ZERO = 1e-6
"""Objectives below this share of the fleet's bill without green energy are as good as zero: gaps are relative to
it there."""
_NET_ZERO = 1e-9
"""A plan this near to what nothing can undercut, as a share of that bill, is net-zero: rounding is all that is left."""


class _LostError(ArithmeticError):
    """The sample's prices are no good begin for all nodes."""


@dataclass(frozen=True, slots=True)
class NodePrices:
    """Prices of what couples a node's slots."""

    store_g_per_j: Floats
    """(T, N) worth of a joule stored in a slot."""
    done_g_per_batch: Floats
    """(K, N) worth of having a batch of a class done."""
    cap_g_per_batch: Floats
    """(K, N) worth of one more batch that may leave (D5); none where all work runs in its own slot."""


@dataclass(frozen=True, slots=True)
class Certified:
    """A plan with the proof of its quality."""

    plan: HubPlan
    objective_g: float
    bound_g: float
    """No plan that keeps the limits has a lower objective."""
    gap_fraction: float
    """(objective - bound) / |objective|; proven."""
    energy_price_g_per_j: Floats
    """(T,) lambda: what a joule in the hub is worth; 0 where the hub is closed."""
    work_price_g_per_batch: Floats
    """(T,) mu: what taking a batch off its owner is worth."""
    steps: int
    outcome: Optimal | Feasible
    nodes: NodePrices


def solve(
    program: HubProgram,
    gap_fraction: float = 1e-3,
    *,
    block_nodes: int = 512,
    workers: int | None = None,
    watch: Callable[[int, float], None] | None = None,
) -> Certified:
    """Solve the hub program to a proven gap.

    The result is a function of the program, the gap and ``block_nodes`` alone: ``workers`` (threads, default one per
    CPU) change its time and nothing else. ``watch(step, gap estimate)`` is called with its progress. Where the
    asked gap is not reached the outcome is Feasible with the gap that was. Raises ValueError for a gap outside 0..1,
    and for a program whose transfer cap is kept over the horizon: nodes have no row for it here.
    """
    if program.carries_cap:
        raise ValueError(
            'the decomposition keeps (D6) slot by slot only, and this program has transfer_cap_over = "horizon"; '
            'solve it with hub_lp.build and solve.solve_lp, or choose transfer_cap_over = "slot"'
        )
    if not 0 < gap_fraction < 1:
        raise ValueError(f"gap_fraction is {gap_fraction}; allowed is more than 0 and less than 1")
    unit = units_of(program)
    if (alone := _alone(program, unit)) is not None:
        return alone
    small = scaled(program, unit)
    hubs = open_hubs(small)
    starts = range(0, program.nodes, block_nodes)
    threads = min(workers or os.cpu_count() or 1, len(starts))
    with ThreadPoolExecutor(threads) as pool:
        run: _Map = (lambda f, items: list(pool.map(f, items))) if threads > 1 else _serial
        cuts = [slice(start, start + block_nodes) for start in starts]
        flows = flows_of(small) if small.deadline_slots else []
        first = prices = _first_prices(small, hubs)
        barrier = None
        if program.nodes >= SAMPLE_FROM and gap_fraction < _SAMPLE_GAP:
            prices, barrier = _sampled(program, small, unit, hubs, flows, first, block_nodes, run)
        states = run(
            lambda cut, whole=small: _begin(Block(whole.take(cut), hubs, flows), prices, barrier), cuts
        )
        del small
        if barrier is not None:
            try:
                return _Climb(program, unit, hubs, states, run, prices).to(gap_fraction, watch, sampled=True)
            except _LostError:
                states = run(lambda state: State(state.block, first), states)
        return _Climb(program, unit, hubs, states, run, first).to(gap_fraction, watch)


def _bill_g(program: HubProgram, unit: Units) -> float:
    """What the static load would emit from the grid, g; where nothing emits, the same load at the unit's intensity."""
    bill = float(np.vdot(program.grams_per_j, program.static_j))
    return bill or unit.grams * program.slots * program.nodes


def _floor_g(program: HubProgram) -> float:
    """No plan has a lower objective at any prices: nothing emitted, and every battery full at the end."""
    return -float(np.vdot(program.stored_value_g_per_j, program.battery_capacity_j))


def _gap(objective_g: float, bound_g: float, bill_g: float) -> float:
    """Of a plan to a bound, relative to the plan, or to what counts as zero; none for a plan that is net-zero."""
    above = objective_g - bound_g
    return 0.0 if above <= _NET_ZERO * bill_g else above / max(abs(objective_g), _ZERO * bill_g)


def _alone(program: HubProgram, unit: Units) -> Certified | None:
    """LOCAL's plan where that cannot be undercut: every node uses its own harvest alone, or nothing emits."""
    plan = local_plan(program)
    if plan.unserved_batches.any() or plan.own_batches[program.closed].any():
        return None
    objective, floor = objective_g(program, plan), _floor_g(program)
    if _gap(objective, floor, _bill_g(program, unit)) > 0.0:
        return None
    free = np.zeros(program.slots)
    no_prices = NodePrices(
        np.zeros_like(program.harvest_j),
        np.zeros_like(program.class_batches),
        np.zeros_like(program.class_batches),
    )
    return Certified(plan, objective, floor, 0.0, free, free.copy(), 0, Optimal(objective), no_prices)


def nearer(best: Certified | None, found: Certified) -> Certified:
    """The one that is proven nearer to the optimum; the earlier one where both are as near."""
    return found if best is None or found.gap_fraction < best.gap_fraction else best


_Map = Callable[[Callable[..., Any], Iterable[Any]], list[Any]]


def _serial(f: Callable[..., Any], items: Iterable[Any]) -> list[Any]:
    return [f(item) for item in items]


def _first_prices(small: HubProgram, hubs: Hubs) -> Floats:
    energy = 0.6 * small.grams_per_j.mean(axis=1) * hubs.energy
    work = 0.5 * (small.grams_per_j * small.joules_per_batch).mean(axis=1) * hubs.work
    return np.concatenate([energy, work])


def _begin(block: Block, prices: Floats, barrier: float | None) -> State:
    state = State(block, prices)
    if barrier is not None:
        settle(state, barrier)
    return state


def _sampled(
    program: HubProgram,
    small: HubProgram,
    unit: Units,
    hubs: Hubs,
    flows: list[Flow],
    first: Floats,
    block_nodes: int,
    run: _Map,
) -> tuple[Floats, float | None]:
    """Prices and barrier of an evenly drawn sample on its way to the optimum (start.py)."""
    size = min(program.nodes // _SAMPLE_SHARE, _MOST_SAMPLED)
    pick = np.random.default_rng(0).permutation(program.nodes)[:size]
    few = small.take(pick)
    both = open_hubs(few)
    open_now = np.concatenate([both.energy, both.work])
    cuts = [slice(start, start + block_nodes) for start in range(0, size, block_nodes)]
    states = run(lambda cut: State(Block(few.take(cut), both, flows), first * open_now), cuts)
    climb = _Climb(program.take(pick), unit, both, states, run, first * open_now)
    barrier = climb.until(_SAMPLE_GAP)
    if barrier is None:
        return first, None
    return np.where(open_now, climb.prices, first), barrier


@dataclass(frozen=True, slots=True)
class _Meeting:
    """Where all blocks stand, and what they bring to the next step."""

    matrix: Floats
    right: Floats
    hub_gap: Floats
    gap: float
    """Estimate, relative."""
    centre: float
    """Mean product of variables and their prices."""
    pairs: float


class _Climb:
    """The steps, over all blocks."""

    def __init__(
        self, program: HubProgram, unit: Units, hubs: Hubs, states: list[State], run: _Map, prices: Floats
    ) -> None:
        self.program, self.unit, self.states, self.run, self.prices = program, unit, states, run, prices
        self._bill_g = _bill_g(program, unit)
        self.open = np.concatenate([hubs.energy, hubs.work])

    def to(
        self, wanted: float, watch: Callable[[int, float], None] | None, *, sampled: bool = False
    ) -> Certified:
        """``sampled``: it begins at a sample's prices. Raises _LostError where these lead nowhere."""
        best: Certified | None = None
        tried, step, proximity, first = np.inf, 0, _PROXIMITY, np.inf
        for step in range(_MOST_STEPS):
            meeting = self._meet(proximity)
            gap = meeting.gap
            first = gap if step == 0 else first
            if sampled and (first > _FAR or (step == _TRIAL_STEPS and gap > _TRIAL_GAIN * first)):
                raise _LostError
            if watch is not None:
                watch(step, gap)
            # a certificate needs neither small residuals nor a good estimate to be right: only to be good
            if gap <= min(_EARLY * wanted, tried / 1.6):
                tried = gap
                found = self._certify(step, wanted)
                best = nearer(best, found)
                if best.gap_fraction <= wanted:
                    return best
            if not self._step(meeting):
                if proximity >= _MOST_PROXIMITY:
                    break  # the point is as sharp as double precision allows
                proximity *= 100.0
        return nearer(best, self._certify(step, wanted))

    def until(self, gap: float) -> float | None:
        """Step until the estimated gap is at most ``gap``; returns the barrier there, None if that is not reached."""
        for _ in range(_MOST_STEPS):
            meeting = self._meet(_PROXIMITY)
            if meeting.gap <= gap:
                return meeting.centre
            if not self._step(meeting):
                return None
        return None

    def _meet(self, proximity: float) -> _Meeting:
        parts = self.run(methodcaller("factor", proximity), self.states)
        measures = [part[2] for part in parts]
        primal, dual = sum(m.primal for m in measures), sum(m.dual for m in measures)
        products, pairs = sum(m.complementarity for m in measures), sum(m.pairs for m in measures)
        hub_gap = -sum(m.hub for m in measures)
        # the complementarity is the gap once residuals are gone, and does not cancel like primal - dual
        gap = max(products, abs(primal - dual)) / max(abs(primal), _ZERO * self._bill_g / self.unit.grams)
        return _Meeting(
            matrix=self._regular(sum(part[0] for part in parts)),
            right=sum(part[1] for part in parts) + hub_gap,
            hub_gap=hub_gap,
            gap=gap,
            centre=products / pairs,
            pairs=pairs,
        )

    def _step(self, meeting: _Meeting) -> bool:
        """Take a step; False where the matrix is too close to singular, or the step would not move."""
        try:
            factor = linalg.cho_factor(meeting.matrix, check_finite=True)
        except (linalg.LinAlgError, ValueError):
            return False
        return self._advance(factor, meeting)

    def _regular(self, matrix: Floats) -> Floats:
        diagonal = np.arange(len(matrix))
        matrix[diagonal, diagonal] *= 1.0 + 1e-14
        matrix[diagonal, diagonal] += ~self.open
        return matrix

    def _solve(self, factor: tuple[Floats, bool], right: Floats) -> Floats:
        return np.asarray(linalg.cho_solve(factor, right, check_finite=False)) * self.open

    def _lengths(self, steps: list[tuple[float, float]]) -> tuple[float, float]:
        reach = [min(1.0, _REACH * min(lengths)) for lengths in zip(*steps, strict=True)]
        return reach[0], reach[1]

    def _advance(self, factor: tuple[Floats, bool], meeting: _Meeting) -> bool:
        """One predictor-corrector step; False where it would not move."""
        states, run = self.states, self.run
        hub_gap, centre, pairs = meeting.hub_gap, meeting.centre, meeting.pairs
        guess = self._solve(factor, meeting.right)
        primal, dual = self._lengths(run(methodcaller("predict", guess), states))
        after = sum(run(methodcaller("after_prediction", primal, dual), states)) / pairs
        target = centre * min((after / centre) ** 3, 1.0)
        damping = primal * dual
        move = self._solve(factor, sum(run(methodcaller("correct", target, damping), states)) + hub_gap)
        primal, dual = self._lengths(run(methodcaller("finish", move), states))
        for _ in range(_CORRECTORS):
            far = min(1.0, primal + _STRETCH), min(1.0, dual + _STRETCH)
            again = self._solve(factor, sum(run(methodcaller("centre", *far, target), states)) + hub_gap)
            longer = self._lengths(run(methodcaller("finish", again), states))
            if sum(longer) < primal + dual:
                run(State.undo, states)
                break
            gain = sum(longer) - primal - dual
            (primal, dual), move = longer, again
            if gain < 0.1 * _STRETCH:
                break
        self.prices = self.prices + dual * move
        run(methodcaller("move", primal, dual, self.prices), states)
        return primal + dual > 1e-6

    def _certify(self, step: int, wanted: float) -> Certified:
        bound = sum(self.run(lambda s: s.block.lower_bound(s.y, self.prices), self.states)) * self.unit.grams
        bound = max(bound, _floor_g(self.program))
        plan = repair(self.program, self._point())
        objective = objective_g(self.program, plan)
        gap = _gap(objective, bound, self._bill_g)
        slots = self.program.slots
        reason = "" if gap <= wanted else f"asked for a gap of {wanted:g}, reached {gap:g} in {step} steps"
        return Certified(
            plan=plan,
            objective_g=objective,
            bound_g=bound,
            gap_fraction=gap,
            energy_price_g_per_j=self.prices[:slots] * self.unit.grams_per_j,
            work_price_g_per_batch=self.prices[slots:] * self.unit.grams / self.unit.batches,
            steps=step,
            outcome=Optimal(objective) if gap <= OPTIMAL_GAP else Feasible(gap, reason),
            nodes=self._node_prices(),
        )

    def _node_prices(self) -> NodePrices:
        def gather(name: str, scale: float) -> Floats:
            return np.concatenate([s.block.row(s.y, name) for s in self.states], axis=-1) * scale

        per_batch = self.unit.grams / self.unit.batches
        store = -gather("store", self.unit.grams_per_j)
        if not self.program.deadline_slots:
            done = gather("done", per_batch)
            return NodePrices(store, done, np.zeros_like(done))
        least = [s.block.least_g(s.y, self.prices) for s in self.states]
        stay, leave = (np.concatenate(part, axis=-1) * per_batch for part in zip(*least, strict=True))
        return NodePrices(store, stay, stay - leave)

    def _point(self) -> HubPlan:
        """Where all nodes stand. With steps, what is stored after the last slot is not in it: repair derives it."""
        energy, work = self.unit.joules, self.unit.batches

        def gather(name: str, scale: float) -> Floats:
            parts = [s.block.view(s.x, name) for s in self.states]
            return np.concatenate(parts, axis=-1) * scale

        names = ("grid", "green", "charge", "discharge", "stored", "curtailed", "export", "import_")
        flows = [gather(name, energy) for name in names]
        own, sent, guest = (gather(name, work) for name in ("own", "offload", "guest"))
        if self.program.deadline_slots:
            kinds = self.states[0].block.waiting.flows
            own, sent, unserved = in_classes(self.program, kinds, own, sent)
        else:
            unserved = gather("unserved", work)[0]
        batches = [own, sent, guest, unserved]
        return HubPlan(*flows, *batches)
