"""The one suite that every policy passes, registered or from elsewhere: ``check_policy`` returns what it
breaks."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from typing import Any

import numpy as np

from carbon_data.own_code import place_in, place_of, place_of_method
from coordinator.market.decision import FleetDecision
from coordinator.market.fleet import Fleet
from coordinator.market.instances import random_fleet, reference_day
from coordinator.market.pairs import Pairs
from coordinator.policies.base import Policy
from coordinator.policies.registry import make_policy
from coordinator.policies.validate import Check, Violation, ask, violations

_SLOTS_PER_CASE = 2
"""Decisions in a row, so that a policy's state is used."""
_MORE_SLOTS = {"one node": 4}
"""Likewise, of cheap cases: what goes wrong in a later slot."""


def check_named(name: str, options: dict[str, Any] | None = None, seeds: int = 6) -> list[Violation]:
    """``check_policy`` on a registered name or ``package.module:Name``. Raises PolicyError when it cannot be
    had."""
    settings = options or {}
    make_policy(name, **settings)  # a clear error before the suite starts
    return check_policy(lambda: make_policy(name, **settings), seeds)


def check_policy(factory: Callable[[], Policy], seeds: int = 6) -> list[Violation]:
    """Violations by policies made by ``factory``, over the fleets of ``cases(seeds)``; empty: it conforms."""
    found: list[Violation] = []
    for case, fleet in cases(seeds):
        slots = _MORE_SLOTS.get(case, _SLOTS_PER_CASE)
        found.extend(replace(violation, case=case) for violation in _check_case(factory, fleet, slots))
    return found


def cases(seeds: int = 6) -> Iterator[tuple[str, Fleet]]:
    """Named fleets: the corners one by one, random ones, and the ten-node reference day.

    Every fleet has its true future set, so that policies which need perfect foresight are exercised too.
    """
    for name, fleet in _corners():
        yield name, _with_truth(fleet)
    for seed in range(seeds):
        yield f"random fleet {seed}", _with_truth(random_fleet(seed))
        yield f"random fleet {seed}, deadline 2", _with_truth(random_fleet(seed, deadline_slots=2))
        yield (
            f"random fleet {seed}, sleep",
            _with_truth(random_fleet(seed, nodes=3, deadline_slots=1, may_sleep=True)),
        )
    yield "reference day, myopic", _with_truth(reference_day(1))
    yield "reference day, 8 slots", _with_truth(reference_day(8))


def _corners() -> Iterator[tuple[str, Fleet]]:
    day = reference_day(4, nodes=4)
    zeros = np.zeros_like(day.harvest_j)
    yield "one node", reference_day(4, nodes=1)
    yield "two nodes, one slot", reference_day(1, nodes=2)
    yield "no harvest", replace(day, harvest_j=zeros)
    none = np.zeros(day.size)
    yield "no battery", replace(day, battery_capacity_j=none, battery_j=none)
    yield "full battery", replace(day, battery_j=day.battery_capacity_j.copy())
    yield (
        "no work",
        replace(
            day,
            backlog_batches=np.zeros_like(day.backlog_batches),
            release_batches=np.zeros_like(day.release_batches),
        ),
    )
    yield "work that may not be offloaded", replace(day, offloadable=np.zeros(day.horizon, dtype=bool))
    yield "more work than time", replace(day, backlog_batches=day.backlog_batches * 5)
    yield (
        "one node with more work than time",
        replace(day, backlog_batches=day.backlog_batches * np.array([[4], [1], [1], [1]])),
    )
    yield "no storage for guests", replace(day, storage_bytes=none)
    yield (
        "caps of zero",
        replace(day, limits=replace(day.limits, offload_cap_fraction=0.0, transfer_cap_fraction=0.0)),
    )
    horizon = replace(day, limits=replace(day.limits, transfer_cap_over="horizon"))
    harvested = np.full(day.size, 2.0 * float(day.harvest_j.max()) + 1.0)
    yield "transfer cap over the horizon, nothing given yet", replace(horizon, harvested_before_j=harvested)
    used = day.limits.transfer_cap_fraction * harvested
    yield (
        "transfer cap over the horizon, used up",
        replace(horizon, harvested_before_j=harvested, given_before_j=used),
    )
    yield "grid without carbon", replace(day, intensity_g_per_kwh=np.zeros_like(day.intensity_g_per_kwh))
    deferrable = np.column_stack([np.zeros((4, 2), dtype=np.int64), day.backlog_batches])
    waiting = replace(day, limits=replace(day.limits, deadline_slots=2), backlog_batches=deferrable)
    yield "work that may wait", waiting
    yield "offload room used up", replace(waiting, offload_room_batches=np.zeros_like(deferrable))
    yield (
        "asleep before",
        replace(
            waiting,
            limits=replace(waiting.limits, may_sleep=True),
            asleep=np.array([True, False, True, False]),
        ),
    )
    mixed = replace(waiting, limits=replace(waiting.limits, may_sleep=True), backlog_batches=0 * deferrable)
    yield (
        "nothing to do, and two nodes that cannot sleep",
        replace(mixed, can_sleep=np.array([True, False, True, False])),
    )
    losses = np.full((4, 4), 0.2)
    losses[0, 1] = losses[2, 3] = 1.0
    np.fill_diagonal(losses, 0.0)
    yield "losses by pair, some total", replace(day, loss_fraction=losses)


def _with_truth(fleet: Fleet) -> Fleet:
    return replace(
        fleet,
        true_intensity_g_per_kwh=fleet.intensity_g_per_kwh.copy(),
        true_harvest_j=fleet.harvest_j.copy(),
    )


def _check_case(factory: Callable[[], Policy], fleet: Fleet, slots: int) -> Iterator[Violation]:
    fingerprint = _fingerprint(fleet)
    policy: Policy | None = None
    try:
        policy, twin = factory(), factory()
        state, twin_state = policy.init(0), twin.init(0)
        place = place_of_method(policy, "decide")
        for step in range(slots):
            now = replace(fleet, slot=fleet.slot + step) if step else fleet
            before = copy.deepcopy(state)
            decision, following = ask(policy, now, state)
            again, _ = ask(policy, now, before)
            twin_decision, twin_state = ask(twin, now, twin_state)
            yield from (replace(found, place=place) for found in violations(now, decision))
            if not same_decision(decision, twin_decision):
                yield Violation(
                    Check.DETERMINISM, "two policies with one seed decide differently", place=place
                )
            if not same_decision(decision, again):
                yield Violation(
                    Check.PURITY,
                    "a second call with the same fleet and state decides differently",
                    place=place,
                )
            state = following
    except Exception as error:
        place = place_of(error) if policy is None else place_in(error, policy, "decide")
        yield Violation(Check.ERROR, f"{type(error).__name__}: {error}", place=place)
    if _fingerprint(fleet) != fingerprint:
        at = "" if policy is None else place_of_method(policy, "decide")
        yield Violation(Check.PURITY, "an array of the fleet was changed or made writeable", place=at)


def _fingerprint(fleet: Fleet) -> list[tuple[str, bytes, bool]]:
    arrays = ((spec.name, getattr(fleet, spec.name)) for spec in fields(fleet))
    return [
        (name, value.tobytes(), bool(value.flags.writeable))
        for name, value in arrays
        if isinstance(value, np.ndarray)
    ]


def same_decision(one: FleetDecision, other: FleetDecision) -> bool:
    """Equal in every field, to the bit."""
    for spec in fields(one):
        a, b = getattr(one, spec.name), getattr(other, spec.name)
        if isinstance(a, Pairs) and isinstance(b, Pairs):
            if not a.equals(b):
                return False
        elif isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
            if not np.array_equal(a, b, equal_nan=True):  # NaN has a check of its own
                return False
        elif a != b:
            return False
    return True
