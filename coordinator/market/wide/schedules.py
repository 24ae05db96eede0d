"""Who is awake in each slot: a search over schedules, with a bound on how much better another could be.

A schedule makes the fleet a hub program like any other: nodes asleep draw little and run nothing. The search begins at
the schedules of slope scaling (slopes.py) and at the one that every node is awake throughout, and looks for better ones
near the best: nodes change to their best path at its prices (sleep_paths.py), all that gain, half of them, and so on
down to one; slots that run little sleep; single slots change; a slot sleeps and another one of its node, or another
node in it, is awake instead. What a schedule leaves undone wakes its owner; nodes that cannot sleep are awake in every
schedule. A schedule is judged by its plan, bounds come from the prices of slope scaling and of every best schedule, and
the search ends where the two meet or after a number of plans that falls with the size of the fleet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from carbon_data.stored_value import StoredValue
from coordinator.market.fleet import Bools, Fleet, Floats, Ints
from coordinator.market.layout import Restrictions
from coordinator.market.wide.decomposition import Certified
from coordinator.market.wide.hub import HubProgram, from_fleet
from coordinator.market.wide.sleep_paths import Paths, Sleepers
from coordinator.market.wide.slopes import Sloped, most_batches, sloped_plans
from coordinator.market.wide.value_steps import with_value

_SLOPED = 5
_SHARES = (0.02, 0.1, 0.3)
"""Shares of what a node could run above which it is awake in the first schedules."""
_PLANS, _LEAST_PLANS, _MOST_PLANS, _WAITING = 200_000, 12, 120, 10
"""Plans of a search, by the fleet's size: this many node-slots, each as many as ten where work may wait."""
_WAKE_ROUNDS = 3
ZERO = 1e-6
"""Objectives below this share of the fleet's bill without green energy are as good as zero."""
_BETTER = 1e-4
"""Share of the grams by which a schedule must be better to be taken."""
NO_BATCH = 1e-3
"""Batches left undone in all, below which none are: where just enough nodes are awake, what a plan from an interior
point lacks of balance has no place."""
_SINGLES = 24
"""Single nodes, single slots, and pairs of these, that are tried before the search gives up."""
_SWAPPED = 12
"""Single slots awake, and as many asleep, of which the pairs are made."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Who is awake, and the plan around it."""

    awake: Bools
    """(T, N)."""
    program: HubProgram
    found: Certified

    @property
    def undone(self) -> float:
        """Batches left undone."""
        batches = float(self.found.plan.unserved_batches.sum())
        return batches if batches > NO_BATCH else 0.0

    def scale_g(self, worth_g: float) -> float:
        """What objectives are compared by: the objective without ``worth_g``, which it counts, or the grid's grams, or
        where both are near nothing a millionth of what the static load would emit from the grid."""
        grid_g = float(np.vdot(self.program.grams_per_j, self.found.plan.grid_j))
        bill_g = float(np.vdot(self.program.grams_per_j, self.program.static_j))
        return max(abs(self.found.objective_g - worth_g), grid_g, ZERO * bill_g)


class Search:
    """Of the schedules of one fleet. ``program_of`` gives the hub program of a schedule, ``solve`` its plan;
    ``wanted``: relative gap at which it ends; ``worth_g``: of the objective, that of full batteries; ``most_plans``:
    after which it ends, beside those of slope scaling; None: as the fleet's size asks for."""

    def __init__(
        self,
        sleepers: Sleepers,
        program_of: Callable[[Bools], HubProgram],
        solve: Callable[[HubProgram], Certified],
        wanted: float,
        worth_g: float = 0.0,
        most_plans: int | None = None,
    ) -> None:
        self._worth_g = worth_g
        self._sleepers, self._program_of, self._solve, self._wanted = sleepers, program_of, solve, wanted
        self._known: dict[bytes, Schedule] = {}
        self._most = most_batches(sleepers)
        self._left = plans_of_a_search(sleepers.program) if most_plans is None else most_plans
        self.bound_g = -np.inf
        """No plan has a lower objective, whoever sleeps in it."""

    @property
    def planned(self) -> int:
        """Schedules that were planned."""
        return len(self._known)

    def best(self) -> Schedule:
        """The best schedule found."""
        sloped = list(self._sloped())
        best = min(self._starts(sloped), key=lambda one: one.found.objective_g)
        share = sloped[-1].share
        while self._left > 0 and not self._proven(best):
            better = self._near(best, share)
            if better is None:
                break
            best = better
        return best

    def _starts(self, sloped: list[Sloped]) -> Iterator[Schedule]:
        """All awake, and the schedules of the last two sloped plans: at most about half of the plans go into them."""
        half = self._left // 2
        yield self._plan(np.ones(self._sleepers.program.harvest_j.shape, dtype=bool))
        for one in sloped[:-3:-1]:
            lowest = np.inf
            for least in _SHARES:
                if self._left <= half:
                    return
                found = self._served((one.share > least) | ~self._sleepers.may, one.share)
                yield found
                if found.found.objective_g >= lowest:
                    break  # with fewer awake it only gets worse
                lowest = found.found.objective_g

    def _sloped(self) -> Iterator[Sloped]:
        for one in sloped_plans(self._sleepers, _SLOPED, self._solve):
            self._answer(one.found)
            yield one

    def _answer(self, found: Certified) -> Paths:
        paths = self._sleepers.answer(found)
        self.bound_g = max(self.bound_g, paths.bound_g)
        return paths

    def _proven(self, one: Schedule) -> bool:
        return one.found.objective_g - self.bound_g <= self._wanted * one.scale_g(self._worth_g)

    def _plan(self, awake: Bools) -> Schedule:
        key = awake.tobytes()
        if key not in self._known:
            program = self._program_of(awake)
            self._known[key] = Schedule(awake, program, self._solve(program))
            self._left -= 1
        return self._known[key]

    def _served(self, awake: Bools, share: Floats) -> Schedule:
        """The plan of a schedule; where it leaves work undone, nodes are woken where they ran the greatest ``share``,
        no more than it takes, and at last every owner of such work."""
        found = self._plan(awake)
        for left in range(_WAKE_ROUNDS, 0, -1):
            more = self._wake(found, share, every=left == 1) if found.undone else found.awake
            if np.array_equal(more, found.awake):
                break
            found = min(found, self._plan(more), key=lambda one: one.found.objective_g)
        return found

    def _wake(self, found: Schedule, share: Floats, *, every: bool = False) -> Bools:
        """The schedule of ``found`` with more nodes awake: owners of work left undone that may not leave, or of all of
        it (``every``), and any nodes for the rest."""
        program, awake = found.program, found.awake.copy()
        undone = found.found.plan.unserved_batches
        for k in map(int, np.flatnonzero((undone > NO_BATCH).any(axis=1))):
            first = max(0, k - program.deadline_slots)
            window = slice(first, min(int(self._sleepers.due[k]), program.slots - 1) + 1)
            leaves = program.offload_cap_batches[k] * program.offloadable[window].any()
            tied = undone[k] > (NO_BATCH if every else np.maximum(leaves, NO_BATCH))
            for node in np.flatnonzero(tied):
                asleep = np.flatnonzero(~awake[window, node]) + first
                if len(asleep):
                    awake[asleep[np.argmax(share[asleep, node])], node] = True
            _more(awake[window], share[window], self._most[window], float(undone[k, ~tied].sum()))
        return awake

    def _near(self, best: Schedule, share: Floats) -> Schedule | None:
        """The first better schedule near ``best``."""
        paths = self._answer(best.found)
        less = _BETTER * best.scale_g(self._worth_g)
        for awake in self._moves(best, paths):
            if self._left <= 0:
                return None
            if awake.tobytes() in self._known:
                continue
            other = self._served(awake, share)
            if other.found.objective_g < best.found.objective_g - less:
                return other
        return None

    def _moves(self, best: Schedule, paths: Paths) -> Iterator[Bools]:
        gain = paths.cost_g(best.awake, self._sleepers.asleep) - paths.best_g
        nodes = _worth(gain, (paths.awake != best.awake).any(axis=0))
        for some in _groups(nodes):
            awake = best.awake.copy()
            awake[:, some] = paths.awake[:, some]
            yield awake
        runs = best.found.plan.own_batches.sum(axis=0) + best.found.plan.guest_batches
        may = self._sleepers.may.ravel()
        idle = np.flatnonzero((best.awake & (runs < 1.0)).ravel() & may)
        for some in _groups(idle[np.argsort(runs.ravel()[idle], kind="stable")]):
            yield _flipped(best.awake, some)
        stages = paths.stages
        saves = np.where(best.awake, stages.awake - stages.asleep, stages.asleep - stages.awake).ravel()
        order = np.argsort(-saves, kind="stable")
        order = order[may[order]]
        for cell in order[:_SINGLES]:
            yield _flipped(best.awake, np.array([cell]))
        for pair in _swaps(order, saves, best.awake):
            yield _flipped(best.awake, pair)


def search_of(
    fleet: Fleet,
    restrictions: Restrictions,
    solve: Callable[[HubProgram], Certified],
    wanted: float,
    value: StoredValue | None = None,
    most_plans: int | None = None,
) -> Search:
    """The search for ``fleet``; ``value``: (D9), as in value_steps.py; ``most_plans``: as in ``Search``."""

    def program_of(awake: Bools | None) -> tuple[HubProgram, float]:
        program = from_fleet(fleet, restrictions, whole_batches=True, awake=awake)
        return (program, 0.0) if value is None else with_value(program, value)

    program, worth_g = program_of(None)
    sleepers = Sleepers.of(fleet, program)
    return Search(sleepers, lambda awake: program_of(awake)[0], solve, wanted, worth_g, most_plans)


def plans_of_a_search(program: HubProgram) -> int:
    """How many plans a search makes, but those of slope scaling."""
    size = program.slots * program.nodes * (_WAITING if program.deadline_slots else 1)
    return int(np.clip(_PLANS // size, _LEAST_PLANS, _MOST_PLANS))


def _more(awake: Bools, share: Floats, most: Floats, batches: float) -> None:
    """Wake nodes of the slots given, in place, until they can run ``batches``: the greatest ``share`` first."""
    asleep = np.flatnonzero(~awake.ravel())
    order = asleep[np.argsort(-share.ravel()[asleep], kind="stable")]
    enough = np.cumsum(most.ravel()[order]) - most.ravel()[order] < batches
    awake[np.unravel_index(order[enough], awake.shape)] = True


def _worth(gain: Floats, changed: Bools) -> Ints:
    """Nodes that gain by a change, those that gain most first."""
    order = np.argsort(-gain, kind="stable")
    return np.asarray(order[changed[order] & (gain[order] > 0)])


def _groups(order: Ints) -> Iterator[Ints]:
    """All, the first half, a quarter, ... the first one; then some more one by one."""
    size = len(order)
    while size >= 1:
        yield order[:size]
        size //= 2
    for one in range(1, min(_SINGLES, len(order))):
        yield order[one : one + 1]


def _swaps(order: Ints, saves: Floats, awake: Bools) -> list[Ints]:
    """Pairs of single slots, of one node or of two nodes at one time, one to sleep and one to be awake instead, those
    that save most first."""
    sleep, wake = (order[now[order]][:_SWAPPED] for now in (awake.ravel(), ~awake.ravel()))
    nodes = awake.shape[1]
    pairs = [
        np.array([a, b]) for a in sleep for b in wake if a // nodes == b // nodes or a % nodes == b % nodes
    ]
    return sorted(pairs, key=lambda pair: -float(saves[pair].sum()))[:_SINGLES]


def _flipped(awake: Bools, cells: Ints) -> Bools:
    out = awake.copy().ravel()
    out[cells] = ~out[cells]
    return out.reshape(awake.shape)
