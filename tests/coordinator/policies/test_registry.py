"""The one registry of policies: a plain dict of names, and ``package.module:Name`` for policies from"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from coordinator.market.layout import Restrictions
from coordinator.policies import registry
from coordinator.policies.conformance import check_named
from coordinator.policies.registry import (
    POLICIES,
    PolicyError,
    Traits,
    describe,
    make_policy,
    takes,
    traits,
    traits_of,
)


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


def test_own_policy_by_module_and_name() -> None:
    assert make_policy("coordinator.policies.local:Local").name == "local"
    assert check_named("coordinator.policies.local:Local", seeds=1) == []


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("detaa", {}, "allowed are.*deta"),
        ("no.such.module:Thing", {}, "cannot be loaded"),
        ("coordinator.policies.deta:Deta2", {}, "it has Deta"),
        ("coordinator.policies.registry:POLICIES", {}, "is a dict; a policy is a class with name, init"),
        (
            "os:system",
            {"command": "echo called"},
            r"'os:system' is a built-in function \(\w+\.system\); a policy is a class with name, init\(seed\) and "
            r"decide\(fleet, state\), or a Python function that returns one; see docs/own-policy\.md$",
        ),
        (
            "os:makedirs",
            {},
            r"its options are name, .*; it is a function, and a policy is a class with name, init",
        ),
        ("deta", {"horizons": 3}, "horizon"),
        ("deta", {"horizon": 0}, "allowed is 1 or more"),
        ("deta", {"time_limit_s": -1.0}, "more than 0"),
        ("builtins:dict", {}, "policy 'builtins:dict' made a dict without name, init"),
        ("builtins:range", {"horizon": 3}, r"policy 'builtins:range': .*; its options are not known$"),
        ("local", {"horizon": 3}, r"policy 'local': .*; its options are none$"),
        ("random", {"horizon": 3}, r"policy 'random': .*; its options are "),
    ],
)
def test_unusable_policies_are_refused(name: str, options: dict[str, Any], says: str) -> None:
    with pytest.raises(PolicyError, match=says):
        make_policy(name, **options)


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


@pytest.mark.parametrize(
    ("name", "option", "good", "bad"),
    [
        *(
            ("oort", key, (0.0, 1.0), (-0.01, 1.01))
            for key in ("epsilon", "epsilon_decay", "epsilon_least", "clip", "cut_off")
        ),
        ("oort", "preferred_percentile", (0.0, 100.0), (-0.1, 100.1)),
        ("oort", "pacer_step", (1,), (0,)),
        ("oort", "sample_window", (1.0,), (0.9,)),
        ("oort", "penalty", (0.0,), (-0.1, np.inf)),
        ("oort", "pacer_delta", (0.0,), (-0.1, np.nan)),
        ("fedzero", "least_share", (0.0, 1.0), (-0.01, 1.01)),
        ("fedzero", "exclusion_share", (0.0, 1.0), (-0.01, 1.01)),
        ("fedzero", "release", (0.0,), (-0.1, np.nan)),
        ("fedzero", "domains", ("node", "zone"), ("grid",)),
        ("lowcarb", "forecast_slots", (1,), (0,)),
        ("hard-budget", "budget_g", (0.0,), (-0.1, np.inf)),
        ("energy-proportional", "least_batches", (0,), (-1,)),
        ("nearest-green", "threshold", (0.01, 1.0), (0.0, 1.01)),
        ("time-shift", "cheapest", (1,), (0,)),
        *((name, "clients", (1,), (0,)) for name in ("oort", "fedzero", "lowcarb", "hard-budget", "random")),
    ],
)
def test_options_have_bounds(name: str, option: str, good: tuple[Any, ...], bad: tuple[Any, ...]) -> None:
    for value in good:
        make_policy(name, **{option: value})
    for value in bad:
        with pytest.raises(PolicyError, match=f"{option} is"):
            make_policy(name, **{option: value})


def test_every_policy_is_described_by_the_first_paragraph_of_its_module() -> None:
    told = describe()
    assert list(told) == list(POLICIES)
    assert told["fedzero"] == (
        "FedZero: train on excess energy only (Wiesner et al., e-Energy 2024; github.com/dos-group/fedzero)."
    )
    assert len(set(told.values())) == len(told)  # also of policies that share a module
    assert told["dat-hand-over"].startswith("DAT with hand-over: batches of requests move to cleaner nodes")
    # two lines in the source, one here
    assert told["local"] == (
        'LOCAL, "no optimisation": every node for itself, by rule. Own harvest first, surplus stored, discharged at '
        "once."
    )


def test_a_module_without_text_has_no_description(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "POLICIES", {"own": "own_policy:Own", "local": POLICIES["local"]})
    monkeypatch.setitem(sys.modules, "own_policy", ModuleType("own_policy"))
    assert describe()["own"] == ""
    assert describe()["local"].startswith("LOCAL")


def test_whether_a_policy_takes_an_option() -> None:
    assert takes("deta", "horizon")
    assert not takes("local", "horizon")
    assert not takes("deta", "horizons")
    assert not takes("builtins:range", "horizon")  # what cannot be asked takes none


def test_the_traits_of_a_policy_are_its_attributes() -> None:
    class Bare:
        name = "bare"

    class Says(Bare):
        needs_truth, uses_harvest = True, False
        restrictions = Restrictions(transfers=False, offloading=True, harvest=False)

        def wants_slots(self, deadline_slots: int) -> int:
            return 3 * deadline_slots - 3

    class Wrong(Bare):
        restrictions, wants_slots = "none", 7

    silent = Traits(False, True, Restrictions(True, True, True), None)
    assert registry.traits(Bare()) == registry.traits(Wrong()) == silent  # type: ignore[arg-type]
    told = registry.traits(Says())  # type: ignore[arg-type]
    assert (told.needs_truth, told.uses_harvest, told.restrictions) == (True, False, Says.restrictions)
    assert [told.wanted_horizon(q) for q in (0, 1, 2)] == [1, 1, 3]
    assert silent.wanted_horizon(5) == 1


def test_options_of_what_has_no_signature_are_not_known() -> None:
    assert registry._options(3) == "not known"
    assert registry._options(lambda: None) == "none"
    assert registry._options(lambda one, two=3: None) == "one, two=3"


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("random", {"clients": 1.5}, "clients is a whole number, got 1.5"),
        ("random", {"clients": True}, "clients is a whole number, got True"),
        ("time-shift", {"cheapest": 1.5}, "cheapest is a whole number, got 1.5"),
        ("lowcarb+dvfs", {"forecast_slots": 1.5}, "forecast_slots is a whole number, got 1.5"),
        ("energy-proportional", {"least_batches": 1.5}, "least_batches is a whole number, got 1.5"),
        ("hard-budget", {"budget_g": True}, "budget_g is a number, got True"),
    ],
)
def test_an_option_of_another_kind_is_refused(name: str, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(PolicyError, match=sentence):
        make_policy(name, **options)


def test_whole_numbers_serve_as_numbers_and_none_as_left_out() -> None:
    make_policy("hard-budget", budget_g=1, clients=None)
    make_policy("random", clients=np.int64(2))
