"""The runs of a plan by the key of their results: cells that are one scenario under a policy share a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from experiments.scenario.written import text_of
from experiments.sweep.keys import Keys, key_of
from experiments.sweep.plan import Plan, require_effect
from experiments.sweep.table import Run
from experiments.sweep.work.jobs import Job

T = TypeVar("T")


@dataclass
class Runs:
    """Every run of a plan; all scenarios are validated. They are not kept, since a large sweep has very many."""

    plan: Plan
    keys: Keys
    by_key: dict[str, list[Run]] = field(default_factory=dict)
    identities: dict[str, str] = field(default_factory=dict)
    """By key."""

    @classmethod
    def of(cls, plan: Plan, keys: Keys, validated: Callable[[], object]) -> Runs:
        """``validated`` is called after each cell and policy. Raises UsageError for what is refused, and for an axis
        that changes nothing."""
        runs, identities = cls(plan, keys), dict[int, list[str]]()
        for cell, policy, scenario in plan.scenarios():
            identity = keys.identity(scenario)
            identities.setdefault(cell, []).append(identity)
            for seed in plan.seeds:
                key = key_of(identity, seed)
                runs.by_key.setdefault(key, []).append((cell, policy, seed))
                runs.identities[key] = identity
            validated()
        require_effect(plan, {cell: tuple(found) for cell, found in identities.items()})
        return runs

    def spread(self, found: Mapping[str, T]) -> dict[Run, T]:
        """By run what ``found`` has by key."""
        return {run: value for key, value in found.items() for run in self.by_key[key]}

    def checks(self, missing: list[str]) -> dict[int, tuple[Job, str]]:
        """Jobs that resolve each scenario of the ``missing`` keys once, and one key of each: seeds differ in clouds and
        order of data only, and one of them shows whether the run is possible."""
        first: dict[str, str] = {}
        for key in missing:
            first.setdefault(self.identities[key], key)
        return {
            number: (self.job(number, key, only_check=True), key) for number, key in enumerate(first.values())
        }

    def job(self, number: int, key: str, only_check: bool = False) -> Job:
        cell, policy, seed = self.by_key[key][0]
        scenario = self.plan.scenario(cell, policy)
        scenario = scenario.model_copy(update={"seed": seed})
        return Job(number, text_of(scenario), only_check, own=self.keys.own(scenario))
