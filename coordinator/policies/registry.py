"""The one registry of policies: a plain dict of names, and ``package.module:Name`` for policies from
elsewhere."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from carbon_data.own_code import import_named, place_of
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
}
"""Name to ``module:Name``. A policy is one new file and one line here."""


class PolicyError(ValueError):
    """A policy that cannot be had: says what was asked for, what is allowed, what to do next."""


def make_policy(name: str, **options: Any) -> Policy:
    """The policy ``name`` (a registered name or ``package.module:Name``) built with keyword ``options``.

    Raises PolicyError for an unknown name or module, something that is no policy, or options it does not
    take."""
    factory = resolve(name)
    try:
        policy = factory(**options)
    except TypeError as error:
        raise PolicyError(f"policy {name!r}: {error}; its options are {_options(factory)}") from error
    except ValueError as error:
        raise PolicyError(f"policy {name!r}: {error}") from error
    except Exception as error:  # user policies may raise anything
        raise PolicyError(
            f"policy {name!r} cannot be made: {type(error).__name__}: {error} (at {place_of(error)})"
        ) from error
    if not isinstance(policy, Policy):
        raise PolicyError(
            f"policy {name!r} made a {type(policy).__name__} without name, init(seed) and decide(fleet, "
            "state); see coordinator.policies.base.Policy"
        )
    return policy


def resolve(name: str) -> Any:
    """The factory behind ``name``: a class, or any callable that returns a policy."""
    target = POLICIES.get(name, name)
    module_name, colon, attribute = target.partition(":")
    if not (colon and module_name and attribute):
        raise PolicyError(
            f"no policy is called {name!r}; allowed are {', '.join(sorted(POLICIES))}, or a class of "
            "your own as package.module:Name"
        )
    try:
        module = (importlib.import_module if name in POLICIES else import_named)(module_name)
    except ImportError as error:
        raise PolicyError(f"policy {name!r}: module {module_name!r} cannot be imported ({error})") from error
    factory = getattr(module, attribute, None)
    if factory is None:
        public = sorted(
            key
            for key, value in vars(module).items()
            if inspect.isclass(value) and value.__module__ == module_name
        )
        raise PolicyError(
            f"policy {name!r}: {module_name!r} has no {attribute!r}; it has {', '.join(public) or 'no class'}"
        )
    if not callable(factory):
        raise PolicyError(
            f"policy {name!r}: {attribute!r} is a {type(factory).__name__}, not a class or function"
        )
    return factory


def wanted_horizon(policy: Policy, deadline_slots: int) -> int:
    """Slots of look-ahead below which a policy's rule is cut short; 1 where it does not say (``wants_slots``)."""
    wants = getattr(policy, "wants_slots", None)
    return max(1, int(wants(deadline_slots))) if callable(wants) else 1


def takes(name: str, option: str) -> bool:
    """Whether the policy ``name`` has an ``option`` of that name."""
    try:
        return option in inspect.signature(resolve(name)).parameters
    except (TypeError, ValueError):
        return False


def uses_harvest(policy: Policy) -> bool:
    """Whether nodes run with their harvest and battery under this policy. False for GRID: the runner then
    takes them away, so that the baseline is physical and not a matter of book-keeping."""
    return bool(getattr(policy, "uses_harvest", True))


def restrictions_of(policy: Policy) -> Restrictions:
    """Which freedoms of the one model a policy may use; all of them where it does not say (``restrictions``)."""
    given = getattr(policy, "restrictions", None)
    return given if isinstance(given, Restrictions) else Restrictions(True, True, True)


def describe() -> dict[str, str]:
    """Registered names with the first paragraph of what each says of itself."""
    texts = {
        name: inspect.getdoc(importlib.import_module(target.partition(":")[0])) or ""
        for name, target in POLICIES.items()
    }
    return {name: " ".join(text.partition("\n\n")[0].split()) for name, text in texts.items()}


def _options(factory: Any) -> str:
    try:
        names = [str(parameter) for parameter in inspect.signature(factory).parameters.values()]
    except (TypeError, ValueError):
        return "not known"
    return ", ".join(names) or "none"
