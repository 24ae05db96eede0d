"""The one registry of policies: a plain dict of names, and ``package.module:Name`` for policies from
elsewhere."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from numbers import Integral, Real
from typing import Any

from carbon_data.own_code import named, place_of, place_of_object
from coordinator.market.layout import Restrictions
from coordinator.policies.base import Policy

POLICIES: dict[str, str] = {
    "grid": "coordinator.policies.grid:Grid",
    "local": "coordinator.policies.local:Local",
    "local-lp": "coordinator.policies.local_lp:LocalLp",
    "det": "coordinator.policies.det:Det",
    "dat": "coordinator.policies.dat:Dat",
    "deta": "coordinator.policies.deta:Deta",
    "deta-tree": "coordinator.policies.deta_tree:DetaTree",
    "dat-hand-over": "coordinator.policies.hand_over:DatHandOver",
    "deta-hand-over": "coordinator.policies.hand_over:DetaHandOver",
    "follow-prefill": "coordinator.policies.follow:FollowPrefill",
    "follow-hand-over": "coordinator.policies.follow:FollowHandOver",
    "follow-cheaper": "coordinator.policies.follow:FollowCheaper",
    "oracle": "coordinator.policies.oracle:Oracle",
    "auction": "coordinator.negotiation.policies.auction:Auction",
    "admm": "coordinator.negotiation.policies.admm:Admm",
    "belief": "coordinator.negotiation.policies.belief:BeliefAuction",
    "random": "coordinator.policies.random:Random",
    "lowest-ci": "coordinator.policies.lowest_ci:LowestCi",
    "lowcarb": "coordinator.policies.lowcarb:Lowcarb",
    "fedzero": "coordinator.policies.fedzero:FedZero",
    "oort": "coordinator.policies.oort:Oort",
    "energy-proportional": "coordinator.policies.energy_proportional:EnergyProportional",
    "nearest-green": "coordinator.policies.nearest_green:NearestGreen",
    "hard-budget": "coordinator.policies.hard_budget:HardBudget",
    "time-shift": "coordinator.policies.time_shift:TimeShift",
    "rl": "coordinator.policies.learned.policy:Learned",
}
"""Name to ``module:Name``. A policy is one new file and one line here."""


FORM = (
    "a policy is a class with name, init(seed) and decide(fleet, state), or a Python function that returns one; see "
    "docs/own-policy.md"
)
"""For messages: what is expected of ``package.module:Name``."""


class PolicyError(ValueError):
    """A policy that cannot be loaded. The text says what was asked for, what is allowed, what to do next."""


def make_policy(name: str, **options: Any) -> Policy:
    """The policy ``name`` (a registered name or ``package.module:Name``) built with keyword ``options``.

    Raises PolicyError for an unknown name or module, something that is no policy, or options it does not
    take."""
    factory = resolve(name)
    _require_kinds(name, factory, options)
    try:
        policy = factory(**options)
    except TypeError as error:
        form = "" if inspect.isclass(factory) else f"; it is a {_kind(factory)}, and {FORM}"
        raise PolicyError(f"policy {name!r}: {error}; its options are {_options(factory)}{form}") from error
    except ValueError as error:
        raise PolicyError(f"policy {name!r}: {error}") from error
    except Exception as error:  # user policies may raise anything
        raise PolicyError(
            f"policy {name!r} cannot be made: {type(error).__name__}: {error} (at {place_of(error)})"
        ) from error
    if not isinstance(policy, Policy):
        raise PolicyError(
            f"policy {name!r} made a {type(policy).__name__} without name, init(seed) and decide(fleet, "
            f"state) (at {place_of_object(factory)}); see docs/own-policy.md"
        )
    return policy


def _require_kinds(name: str, factory: Any, options: Mapping[str, Any]) -> None:
    """Raises PolicyError for an option of a dataclass that is no number, or no whole one, where its field says so."""
    known = {one.name: str(one.type) for one in fields(factory)} if is_dataclass(factory) else {}
    for key, value in options.items():
        for kind, allowed, words in (("int", Integral, "a whole number"), ("float", Real, "a number")):
            if known.get(key) not in (kind, f"{kind} | None") or value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, allowed):
                raise PolicyError(f"policy {name!r}: {key} is {words}, got {value!r}")


def resolve(name: str) -> Any:
    """The factory behind ``name``: a class, or any callable that returns a policy. What follows a ``+`` says how nodes
    serve, and is no matter of the policy."""
    factory = named(name.partition("+")[0], POLICIES, "policy", PolicyError)
    if not callable(factory) or inspect.isbuiltin(factory):
        raise PolicyError(f"policy {name!r} is a {_kind(factory)}; {FORM}")
    return factory


@dataclass(frozen=True, slots=True)
class Traits:
    """Properties of a policy that a run needs before its first decision; a policy has attributes of these names."""

    needs_truth: bool
    """Whether it is given true values where others get forecasts (the oracle)."""
    uses_harvest: bool
    """Whether nodes run with their harvest and battery. False for GRID: the runner then takes them away, so that the
    baseline is physical and not a matter of book-keeping."""
    restrictions: Restrictions
    """Which freedoms of the one model it may use; all of them where it does not say."""
    wants_slots: Callable[[int], int] | None
    """(deadline slots) to slots of look-ahead below which its rule is cut short."""

    follows_users: bool = False
    """Whether it has turns of conversations answered where their users are (``Fleet.moved``)."""

    def wanted_horizon(self, deadline_slots: int) -> int:
        """Slots that the policy wants to look ahead; 1 where it does not say."""
        return 1 if self.wants_slots is None else max(1, int(self.wants_slots(deadline_slots)))


def traits(policy: Policy) -> Traits:
    """The traits of a policy."""
    wants, freedoms = getattr(policy, "wants_slots", None), getattr(policy, "restrictions", None)
    return Traits(
        needs_truth=bool(getattr(policy, "needs_truth", False)),
        uses_harvest=bool(getattr(policy, "uses_harvest", True)),
        restrictions=freedoms if isinstance(freedoms, Restrictions) else Restrictions(True, True, True),
        wants_slots=wants if callable(wants) else None,
        follows_users=bool(getattr(policy, "follows_users", False)),
    )


_TRAITS: dict[tuple[Any, str], Traits] = {}
"""By factory and options: a policy is made once to ask it."""


def traits_of(name: str, **options: Any) -> Traits:
    """The traits of the policy ``name`` with ``options``. Raises PolicyError as ``make_policy`` does."""
    key = (resolve(name), repr(sorted(options.items())))
    if key not in _TRAITS:
        _TRAITS[key] = traits(make_policy(name, **options))
    return _TRAITS[key]


def takes(name: str, option: str) -> bool:
    """Whether the policy ``name`` has an ``option`` of that name."""
    try:
        return option in inspect.signature(resolve(name)).parameters
    except (TypeError, ValueError):
        return False


def describe() -> dict[str, str]:
    """Registered names with the first paragraph of each module docstring; of a module with several policies, that of
    each class."""
    modules = [target.partition(":")[0] for target in POLICIES.values()]
    return {
        name: docstring(name)
        if modules.count(module) > 1
        else _first_paragraph(inspect.getdoc(importlib.import_module(module)))
        for name, module in zip(POLICIES, modules, strict=True)
    }


def docstring(name: str) -> str:
    """First paragraph of what the class or function behind ``name`` says of itself; empty where it says nothing."""
    return _first_paragraph(resolve(name).__doc__)


def _first_paragraph(text: str | None) -> str:
    return " ".join((text or "").strip().partition("\n\n")[0].split())


def _kind(thing: Any) -> str:
    """What was found under a name."""
    if inspect.isbuiltin(thing):
        return f"built-in function ({thing.__module__}.{thing.__name__})"
    return "function" if inspect.isfunction(thing) else type(thing).__name__


def _options(factory: Any) -> str:
    try:
        names = [str(parameter) for parameter in inspect.signature(factory).parameters.values()]
    except (TypeError, ValueError):
        return "not known"
    return ", ".join(names) or "none"
