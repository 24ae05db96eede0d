"""Every registered policy passes the conformance suite; the suite finds the violations that it claims to find."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.market.decision import Feasible, FleetDecision, Infeasible, Optimal
from coordinator.market.fleet import Fleet
from coordinator.market.instances import random_fleet, reference_day
from coordinator.policies.conformance import check_named, check_policy
from coordinator.policies.local import Local, local_decision, rule_decision
from coordinator.policies.registry import POLICIES, PolicyError, make_policy, traits, traits_of
from coordinator.policies.validate import Check, violations

QUICK: dict[str, dict[str, Any]] = {"admm": {"rounds": 8}}
"""Options that make a slow policy quick: conformance is about limits kept, not about how near the optimum it gets."""


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_policy_conforms(name: str) -> None:
    assert [str(violation) for violation in check_named(name, QUICK.get(name), seeds=3)] == []


class Broken(Local):
    """LOCAL with one violation."""

    def __init__(self, breakage: Any) -> None:
        self.breakage = breakage

    def decide(self, fleet: Fleet, state: Any) -> tuple[FleetDecision, Any]:
        return self.breakage(fleet, local_decision(fleet)), state


def _offload_all(fleet: Fleet, decision: FleetDecision) -> FleetDecision:
    return replace(decision, batches=np.roll(decision.batches, 1, axis=1))


def _write(fleet: Fleet, decision: FleetDecision) -> FleetDecision:
    fleet.harvest_j.setflags(write=True)
    return decision


@pytest.mark.parametrize(
    ("check", "breakage"),
    [
        (Check.CONSERVES, lambda fleet, d: replace(d, batches=d.batches // 2)),
        (
            Check.CONSERVES,
            lambda fleet, d: replace(d, batches=d.batches + np.eye(fleet.size, dtype=np.int64)),
        ),
        (Check.OFFLOAD_CAP, _offload_all),
        (Check.CAPACITY, lambda fleet, d: replace(d, batches=d.batches * 100)),
        (Check.STORAGE, _offload_all),
        (Check.TRANSFER_CAP, lambda fleet, d: replace(d, transfer_j=d.transfer_j + 1e6)),
        (Check.SLEEP, lambda fleet, d: replace(d, awake=~d.awake)),
        (Check.FINITE, lambda fleet, d: replace(d, charge_j=d.charge_j + np.nan)),
        (Check.SHAPE, lambda fleet, d: replace(d, charge_j=np.zeros(99))),
        (Check.OUTCOME, lambda fleet, d: replace(d, outcome=Feasible(-1.0))),
        (Check.PURITY, _write),
        (Check.DETERMINISM, lambda fleet, d: replace(d, charge_j=np.random.default_rng().random(fleet.size))),
        (Check.ERROR, lambda fleet, d: 1 / 0),
    ],
)
def test_suite_catches(check: Check, breakage: Any) -> None:
    found = check_policy(lambda: Broken(breakage), seeds=1)
    assert check in {violation.check for violation in found}
    assert all(str(violation) for violation in found)


def test_own_policy_by_module_and_name() -> None:
    assert make_policy("coordinator.policies.local:Local").name == "local"
    assert check_named("coordinator.policies.local:Local", seeds=1) == []


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("detaa", {}, "allowed are.*deta"),
        ("no.such.module:Thing", {}, "cannot be imported"),
        ("coordinator.policies.deta:Deta2", {}, "it has Deta"),
        ("coordinator.policies.registry:POLICIES", {}, "not a class or function"),
        ("deta", {"horizons": 3}, "horizon"),
        ("deta", {"horizon": 0}, "allowed is 1 or more"),
        ("deta", {"time_limit_s": -1.0}, "more than 0"),
        ("builtins:dict", {}, "without name"),
    ],
)
def test_unusable_policies_are_refused(name: str, options: dict[str, Any], says: str) -> None:
    with pytest.raises(PolicyError, match=says):
        make_policy(name, **options)


def test_only_grid_takes_the_harvest_away() -> None:
    assert [name for name in POLICIES if not traits_of(name).uses_harvest] == ["grid"]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), deadline=st.integers(0, 2), sleep=st.booleans())
def test_decisions_keep_every_limit(seed: int, deadline: int, sleep: bool) -> None:
    fleet = random_fleet(seed, nodes=3, horizon=3, deadline_slots=deadline, may_sleep=sleep)
    decision, _ = make_policy("deta").decide(fleet, None)
    assert violations(fleet, decision) == []
    assert decision.unserved_batches.sum() == 0
    assert isinstance(decision.outcome, Optimal | Feasible)


def test_rounding_costs_little_on_the_reference_day() -> None:
    decision, _ = make_policy("deta").decide(reference_day(12), None)
    outcome = decision.outcome
    assert isinstance(outcome, Optimal) or (
        isinstance(outcome, Feasible) and (outcome.gap_fraction or 0) < 5e-3
    )


def test_overload_names_the_limit_and_serves_what_fits() -> None:
    day = reference_day(1, nodes=3)
    fleet = replace(day, backlog_batches=day.backlog_batches * 5)
    for name in ("local", "det", "deta"):
        decision, _ = make_policy(name).decide(fleet, None)
        assert isinstance(decision.outcome, Infeasible)
        assert any("D7_time" in conflict for conflict in decision.outcome.conflicts)
        assert decision.unserved_batches.sum() > 0
        assert decision.unserved_batches.sum() + decision.batches.sum() == fleet.backlog_batches.sum()


def test_time_out_falls_back_and_says_so() -> None:
    decision, _ = make_policy("deta", time_limit_s=1e-9).decide(reference_day(24), None)
    assert isinstance(decision.outcome, Feasible)
    assert decision.outcome.reason.startswith("fallback: LOCAL")
    local, _ = make_policy("local").decide(reference_day(24), None)
    np.testing.assert_array_equal(decision.batches, local.batches)


@pytest.mark.parametrize("limit_s", [1e-9, 0.05, 1.0])
def test_sleep_under_a_time_limit_still_keeps_every_limit(limit_s: float) -> None:
    """The solver's result at the time limit: a plan with its gap, or LOCAL by name."""
    day = reference_day(8, nodes=5)
    fleet = replace(
        day,
        limits=replace(day.limits, may_sleep=True, deadline_slots=2),
        backlog_batches=np.hstack([np.zeros((5, 2), dtype=np.int64), day.backlog_batches]),
    )
    decision, _ = make_policy("deta", time_limit_s=limit_s).decide(fleet, None)
    assert violations(fleet, decision) == []
    assert isinstance(decision.outcome, Optimal | Feasible)
    if isinstance(decision.outcome, Feasible):
        known = decision.outcome.gap_fraction is not None
        assert known or decision.outcome.reason.startswith(("fallback: LOCAL", "Time limit"))


def test_a_node_that_runs_nothing_may_sleep() -> None:
    day = reference_day(1, nodes=2)
    fleet = replace(
        day,
        limits=replace(day.limits, may_sleep=True, offload_cap_fraction=1.0),
        backlog_batches=np.array([[10], [10]]),
    )
    decision, _ = make_policy("deta").decide(fleet, None)
    assert violations(fleet, decision) == []
    assert decision.awake.sum() == 1
    assert decision.batches[:, ~decision.awake].sum() == 0


def test_rule_decision_reports_missed_deadlines() -> None:
    fleet = reference_day(1, nodes=2)
    decision = rule_decision(fleet, np.zeros((2, 2), dtype=np.int64))
    assert decision.unserved_batches.tolist() == fleet.backlog_batches[:, 0].tolist()
    assert isinstance(decision.outcome, Infeasible)


class _Counted:
    """A policy of somebody else, which counts how often it is made."""

    name, needs_truth, uses_harvest, made = "counted", True, False, 0

    def __init__(self, slots: float = 1) -> None:
        type(self).made += 1
        self.slots = slots

    def init(self, seed: int) -> None:
        return None

    def decide(self, fleet: Any, state: Any) -> Any:
        raise NotImplementedError

    def wants_slots(self, deadline_slots: int) -> float:
        return self.slots + deadline_slots


def test_a_policy_is_made_once_to_be_asked_and_anew_for_other_options() -> None:
    name = f"{__name__}:_Counted"
    _Counted.made = 0
    told = [traits_of(name, slots=2) for _ in range(5)]
    assert _Counted.made == 1
    assert {(one.needs_truth, one.uses_harvest, one.wanted_horizon(3)) for one in told} == {(True, False, 5)}
    assert traits_of(name, slots=2.5).wanted_horizon(3) == 5
    assert traits_of(name, slots=7).wanted_horizon(0) == 7
    assert _Counted.made == 3


def test_a_policy_that_says_nothing_may_all_and_looks_one_slot_ahead() -> None:
    class Silent:
        name = "silent"

        def init(self, seed: int) -> None:
            return None

        def decide(self, fleet: Any, state: Any) -> Any:
            raise NotImplementedError

    silent = traits(Silent())
    assert (silent.needs_truth, silent.uses_harvest, silent.wanted_horizon(4)) == (False, True, 1)
    assert [silent.restrictions.harvest, silent.restrictions.transfers, silent.restrictions.offloading] == [
        True
    ] * 3
