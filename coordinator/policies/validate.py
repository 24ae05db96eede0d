"""Violations of a decision: the limits of one slot, checked independently of the policy that made it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from coordinator.market.decision import Feasible, FleetDecision, Infeasible, Optimal
from coordinator.market.fleet import Bools, Fleet
from coordinator.market.hand_over import busy_s, held_bytes, usable_s
from coordinator.market.operating_points import allowed_points, at_points
from coordinator.market.pairs import Pairs
from coordinator.market.rounding import WorkLimits
from coordinator.policies.base import Policy

_TOLERANCE = 1e-9
"""Relative: limits are kept exactly but for the last digits of a floating-point sum."""


class Check(StrEnum):
    """Rules that a policy may break."""

    SHAPE = "arrays have the shapes and kinds of FleetDecision"
    FINITE = "values are finite and not negative"
    CONSERVES = "every batch at its deadline is served or reported unserved, and no batch is run twice"
    OFFLOAD_CAP = "(D5) offload cap, and no offload where the stage forbids it"
    CAPACITY = "(D7) time"
    STORAGE = "(D7) storage for guests"
    POINTS = "every node runs at an operating point that it has"
    HAND_OVER = "batches that are handed over move, between nodes that can take each other's caches"
    TRANSFER_CAP = "(D6) transfer cap"
    SLEEP = "sleeping nodes run nothing, and nobody sleeps who cannot, or whom the limits do not let"
    OUTCOME = "an outcome of base.Outcome that agrees with the decision"
    NOTES = "notes are finite numbers by name"
    DETERMINISM = "same seed and fleet, same decision"
    PURITY = "the fleet and the state handed in are left as they were"
    ERROR = "decides without raising"


@dataclass(frozen=True, slots=True)
class Violation:
    """A check that failed, and on what."""

    check: Check
    found: str
    case: str = ""
    place: str = ""
    """``file:line`` in the policy's code, where it is known."""

    def __str__(self) -> str:
        at = f" (at {self.place})" if self.place else ""
        return f"{self.check.name}: {self.found}{at}" + (f" [{self.case}]" if self.case else "")


def ask(policy: Policy, fleet: Fleet, state: Any) -> tuple[FleetDecision, Any]:
    """The policy's decision and its next state. Raises TypeError for an answer of another kind; exceptions of
    the policy pass through."""
    answer: Any = policy.decide(fleet, state)
    if not (isinstance(answer, tuple) and len(answer) == 2 and isinstance(answer[0], FleetDecision)):
        got = (
            f"({', '.join(type(part).__name__ for part in answer)})"
            if isinstance(answer, tuple)
            else type(answer).__name__
        )
        raise TypeError(f"decide returned {answer!r:.60} ({got}); allowed is (FleetDecision, state)")
    return answer


def violations(fleet: Fleet, decision: FleetDecision) -> list[Violation]:
    """Everything in ``decision`` that breaks a limit of the slot; empty when it may be executed."""
    wrong = list(_shapes(fleet, decision))
    if wrong:
        return wrong  # the other checks would only stumble over it
    if decision.points is not None:
        if not allowed_points(fleet, decision.points):
            return [Violation(Check.POINTS, f"operating points are {decision.points.tolist()}")]
        fleet = at_points(fleet, decision.points)
    return [
        *_values(decision),
        *_work(fleet, decision),
        *_energy(fleet, decision),
        *_outcome(decision),
        *_notes(decision),
    ]


def _shapes(fleet: Fleet, decision: FleetDecision) -> Iterator[Violation]:
    n = fleet.size
    expected: dict[str, tuple[tuple[int, ...], Any]] = {
        "home_batches": ((n,), np.integer),
        "charge_j": ((n,), np.floating),
        "discharge_j": ((n,), np.floating),
        "awake": ((n,), np.bool_),
        "unserved_batches": ((n,), np.integer),
    }
    if decision.points is not None:
        expected["points"] = ((n,), np.integer)
    if decision.selected is not None:
        expected["selected"] = ((n,), np.bool_)
    for name, (shape, kind) in expected.items():
        value = getattr(decision, name)
        if not isinstance(value, np.ndarray):
            yield Violation(Check.SHAPE, f"{name} is a {type(value).__name__}, expected an array {shape}")
        elif value.shape != shape or not np.issubdtype(value.dtype, kind):
            yield Violation(
                Check.SHAPE,
                f"{name} has shape {value.shape} of {value.dtype}, expected {shape} of {kind.__name__}",
            )
    yield from _pairs("moves", decision.moves, fleet, np.integer)
    yield from _pairs("handed", decision.handed, fleet, np.integer)
    yield from _pairs("transfers", decision.transfers, fleet, np.floating)


def _pairs(name: str, pairs: Any, fleet: Fleet, kind: Any) -> Iterator[Violation]:
    if not isinstance(pairs, Pairs):
        yield Violation(Check.SHAPE, f"{name} is a {type(pairs).__name__}, expected Pairs")
        return
    if not np.issubdtype(pairs.amount.dtype, kind):
        yield Violation(Check.SHAPE, f"{name} holds {pairs.amount.dtype}, expected {kind.__name__}")
    last = max(pairs.source.max(initial=0), pairs.target.max(initial=0))
    if last >= fleet.size:
        yield Violation(Check.SHAPE, f"{name} names node {last}, expected 0 to {fleet.size - 1}")
    elif name in ("moves", "handed") and pairs.to_itself.any():
        node = fleet.node_ids[pairs.source[pairs.to_itself][0]]
        yield Violation(Check.SHAPE, f"{name} holds batches of {node} to itself, expected in home_batches")


def _values(decision: FleetDecision) -> Iterator[Violation]:
    home, moves = decision.home_batches, decision.moves
    every = np.arange(decision.size)
    owner, executor = np.append(every, moves.source), np.append(every, moves.target)
    by_owner = np.lexsort((executor, owner))
    for name, value in (
        ("batches", np.append(home, moves.amount)[by_owner]),
        ("transfer_j", decision.transfers.amount),
        ("charge_j", decision.charge_j),
        ("discharge_j", decision.discharge_j),
        ("unserved_batches", decision.unserved_batches),
    ):
        bad = ~np.isfinite(value) | (value < 0)
        if bad.any():
            yield Violation(Check.FINITE, f"{name} holds {value[bad][0]}")


def _each(fleet: Fleet, wrong: Bools, check: Check, text: str, *values: Any) -> Iterator[Violation]:
    """One violation for the first node of ``wrong``; ``text`` is formatted with that node's entry of
    ``values``."""
    if wrong.any():
        node = int(np.argmax(wrong))
        more = f" (and {int(wrong.sum()) - 1} more nodes)" if wrong.sum() > 1 else ""
        yield Violation(check, f"{fleet.node_ids[node]}: {text.format(*(v[node] for v in values))}{more}")


def _work(fleet: Fleet, decision: FleetDecision) -> Iterator[Violation]:
    limits = WorkLimits.of(fleet, np.ones(fleet.size, dtype=bool))
    away, guests = decision.away_batches(), decision.guest_batches()
    own, run = decision.home_batches + away, decision.home_batches + guests
    missed = np.maximum(limits.due - own, 0)
    yield from _each(
        fleet,
        own > limits.available,
        Check.CONSERVES,
        "{} batches run of {} there are",
        own,
        limits.available,
    )
    yield from _each(
        fleet,
        decision.unserved_batches != missed,
        Check.CONSERVES,
        "{} of {} due batches are not run, {} reported unserved",
        missed,
        limits.due,
        decision.unserved_batches,
    )
    yield from _each(
        fleet,
        away > limits.may_leave,
        Check.OFFLOAD_CAP,
        "{} batches leave, {} may",
        away,
        limits.may_leave,
    )
    yield from _handed(fleet, decision)
    if len(decision.handed) and fleet.split is not None:
        needed, time_s = busy_s(fleet, decision), usable_s(fleet, decision.awake)
        late = needed > time_s * (1.0 + _TOLERANCE)
        yield from _each(fleet, late, Check.CAPACITY, "{} s of work, time for {} s", needed, time_s)
        held = held_bytes(fleet, decision)
        full = held > fleet.storage_bytes
        yield from _each(
            fleet, full, Check.STORAGE, "{} bytes of guests, room for {}", held, fleet.storage_bytes
        )
    else:
        capacity = WorkLimits.of(fleet, decision.awake).capacity
        working = decision.awake & (run > capacity)
        yield from _each(fleet, working, Check.CAPACITY, "{} batches to run, time for {}", run, capacity)
    yield from _each(
        fleet,
        guests > limits.guest_room,
        Check.STORAGE,
        "{} guest batches, room for {}",
        guests,
        limits.guest_room,
    )
    asleep = ~decision.awake
    yield from _each(fleet, asleep & (run > 0), Check.SLEEP, "asleep, yet {} batches to run", run)
    if not fleet.limits.may_sleep:
        yield from _each(fleet, asleep, Check.SLEEP, "asleep, though may_sleep is off")
    else:
        cannot = asleep & ~fleet.sleepers()
        yield from _each(fleet, cannot, Check.SLEEP, "asleep, though it cannot sleep (fleet.can_sleep)")
    if decision.selected is not None:
        yield from _each(fleet, decision.selected & asleep, Check.SLEEP, "selected, yet asleep")


def _handed(fleet: Fleet, decision: FleetDecision) -> Iterator[Violation]:
    """Batches that are handed over are among those that move, between nodes that can take each other's caches."""
    handed = decision.handed
    moved = {(i, j): count for i, j, count in decision.moves.rows()}
    may = None if fleet.split is None else fleet.split.pairs()
    for i, j, count in handed.rows():
        pair = f"{fleet.node_ids[i]} to {fleet.node_ids[j]}"
        if count < 0 or count > moved.get((i, j), 0):
            yield Violation(
                Check.HAND_OVER,
                f"{count} batches are handed over from {pair}, {moved.get((i, j), 0)} move",
            )
        elif may is None or not may[i, j]:
            yield Violation(Check.HAND_OVER, f"a cache cannot be taken from {pair}")
        elif not decision.awake[i]:
            yield Violation(Check.HAND_OVER, f"{fleet.node_ids[i]} sleeps, yet reads prompts")


def _energy(fleet: Fleet, decision: FleetDecision) -> Iterator[Violation]:
    sent = decision.transfers.given(fleet.size)
    cap = fleet.transfer_caps_j()[:, 0]
    over = sent > cap * (1.0 + _TOLERANCE)
    yield from _each(fleet, over, Check.TRANSFER_CAP, "sends {} J, at most {} J allowed", sent, cap)
    to_itself = decision.transfers.only(decision.transfers.to_itself).given(fleet.size)
    yield from _each(fleet, to_itself > 0, Check.TRANSFER_CAP, "sends {} J to itself", to_itself)


def _outcome(decision: FleetDecision) -> Iterator[Violation]:
    outcome = decision.outcome
    if not isinstance(outcome, Optimal | Feasible | Infeasible):
        yield Violation(Check.OUTCOME, f"outcome is {outcome!r}")
    elif isinstance(outcome, Optimal):
        if not _is_finite(outcome.objective_g):
            yield Violation(Check.OUTCOME, f"optimal with an objective of {outcome.objective_g} g")
        if decision.unserved_batches.any():
            yield Violation(Check.OUTCOME, "called optimal, yet work is left unserved")
    elif isinstance(outcome, Feasible) and outcome.gap_fraction is not None:
        gap = outcome.gap_fraction
        if not (_is_finite(gap) and gap >= 0):
            yield Violation(Check.OUTCOME, f"feasible with a gap of {gap!r}")
    elif isinstance(outcome, Infeasible) and not outcome.conflicts:
        yield Violation(Check.OUTCOME, "infeasible, but no conflicting limit is named")
    told = outcome.conflicts if isinstance(outcome, Infeasible) else getattr(outcome, "reason", "")
    if not (
        isinstance(told, str)
        or (isinstance(told, tuple | list) and all(isinstance(each, str) for each in told))
    ):
        yield Violation(Check.OUTCOME, f"the outcome's text is {told!r:.60}, expected text")


def _notes(decision: FleetDecision) -> Iterator[Violation]:
    """They go into the ledger."""
    notes: Any = decision.notes
    good = isinstance(notes, dict) and all(
        isinstance(name, str) and _is_finite(value) for name, value in notes.items()
    )
    if not good:
        yield Violation(Check.NOTES, f"notes are {notes!r:.80}; allowed are finite numbers by name")


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and bool(np.isfinite(value))
