"""The plan of a sweep: its scenario, axes, cells, policies and seeds; written first, and what it is resumed from."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import tomli_w

from carbon_data.files.whole import write_durably
from carbon_data.own_code import VARIABLE, look_beside
from experiments.errors import UsageError
from experiments.resolve.prepare import known_policy
from experiments.scenario.model import Scenario
from experiments.sweep.axes import POLICY, Axis, assignment, shown
from experiments.sweep.cells import Base, cell_scenario, seeds_of
from experiments.sweep.design import Values, grid, latin_hypercube
from experiments.sweep.files import PLAN


@dataclass(frozen=True)
class Plan:
    """What is to be run; every combination of a cell, a policy and a seed is one run."""

    name: str
    base: Base
    axes: tuple[Axis, ...]
    cells: tuple[Values, ...]
    policies: tuple[str, ...]
    seeds: tuple[int, ...]
    random: bool
    """Cells are drawn; else they are a grid."""

    @property
    def runs(self) -> int:
        return len(self.cells) * len(self.policies) * len(self.seeds)

    def scenario(self, cell: int, policy: str) -> Scenario:
        """Of a cell, with the scenario's seed. Raises UsageError where it is refused."""
        return cell_scenario(self.base, self.axes, self.cells[cell], policy)

    def scenarios(self) -> Iterator[tuple[int, str, Scenario]]:
        """Number of the cell, policy, and its scenario. Raises UsageError at the first that is refused."""
        for cell in range(len(self.cells)):
            for policy in self.policies:
                yield cell, policy, self.scenario(cell, policy)

    def said(self, number: int) -> str:
        """The values of a cell."""
        return assignment(self.axes, self.cells[number])


def make_plan(
    scenario: Scenario,
    axes: Sequence[Axis],
    policies: Sequence[str] | None,
    seeds: int,
    random: int | None = None,
    design_seed: int = 0,
) -> Plan:
    """The plan of these arguments. An axis ``policy`` names the policies. Raises UsageError."""
    named = next((axis for axis in axes if axis.key == POLICY), None)
    if named is not None and policies is not None:
        raise UsageError("--set policy and --policies both name policies; give one of them")
    if named is not None:
        policies = [known_policy(str(value)) for value in named.values]
    if policies is not None and len(set(policies)) < len(policies):
        raise UsageError(f"policies {', '.join(policies)}: one is given twice; give each once")
    others = tuple(axis for axis in axes if axis is not named)
    cells = grid(others) if random is None else latin_hypercube(others, random, design_seed)
    return Plan(
        name=scenario.name,
        base=Base.of(scenario),
        axes=others,
        cells=tuple(cells),
        policies=tuple(policies or (scenario.policy,)),
        seeds=seeds_of(scenario, seeds),
        random=random is not None,
    )


def require_effect(plan: Plan, identities: Mapping[int, Any]) -> None:
    """Raises UsageError for an axis that changes nothing: cells that differ in it alone are one scenario.

    ``identities``: of every cell, equal for equal scenarios under all policies."""
    for place, axis in enumerate(plan.axes):
        beside: dict[str, set[Any]] = {}
        sizes: dict[str, int] = {}
        for number, values in enumerate(plan.cells):
            rest = repr([value for k, value in enumerate(values) if k != place])
            beside.setdefault(rest, set()).add(identities[number])
            sizes[rest] = sizes.get(rest, 0) + 1
        if max(sizes.values(), default=1) > 1 and all(len(found) == 1 for found in beside.values()):
            raise UsageError(
                f"--set {axis.key}: its values {', '.join(map(shown, axis.values[:5]))} change nothing: every policy "
                "has the same scenario under all of them (policy_options are those of the scenario's own policy); "
                "leave the axis out"
            )


def write_plan(plan: Plan, folder: Path) -> None:
    write_durably(folder / PLAN, (json.dumps(as_dict(plan), indent=1) + "\n").encode())


def as_dict(plan: Plan) -> dict[str, Any]:
    """What the file holds. TOML for what JSON has no words for: dates."""
    return {
        "version": version("detabed"),
        "own_code": os.environ.get(VARIABLE),
        "name": plan.name,
        "scenario": tomli_w.dumps(plan.base.values),
        "folder": str(plan.base.folder),
        "scenario_policy": plan.base.policy,
        "axes": [
            {"key": axis.key, "values": _told(axis.values), "interval": axis.interval} for axis in plan.axes
        ],
        "cells": [_told(values) for values in plan.cells],
        "policies": list(plan.policies),
        "seeds": list(plan.seeds),
        "random": plan.random,
    }


def read_plan(folder: Path) -> Plan:
    """The plan of the sweep in ``folder``. Raises UsageError where there is none, or it is another version's."""
    path = folder / PLAN
    if not path.is_file():
        raise UsageError(
            f"{folder} has no {PLAN}: no folder of a sweep; give the one that `detabed sweep` printed"
        )
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        plan = _plan(told)
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is damaged ({error}); sweep again in another folder") from None
    if told["version"] != version("detabed"):
        raise UsageError(
            f"{folder} was begun by detabed {told['version']}, this is {version('detabed')}: resume it with that "
            "version, or sweep again"
        )
    look_beside(None if told["own_code"] is None else Path(told["own_code"]))
    return plan


def _plan(told: Mapping[str, Any]) -> Plan:
    return Plan(
        name=told["name"],
        base=Base(tomllib.loads(told["scenario"]), Path(told["folder"]), told["scenario_policy"]),
        axes=tuple(Axis(each["key"], _back(each["values"]), each["interval"]) for each in told["axes"]),
        cells=tuple(_back(values) for values in told["cells"]),
        policies=tuple(told["policies"]),
        seeds=tuple(told["seeds"]),
        random=told["random"],
    )


def _told(values: Sequence[Any]) -> list[Any]:
    return [{"toml": _toml(value)} if _is_foreign(value) else value for value in values]


def _is_foreign(value: Any) -> bool:
    return isinstance(value, date | datetime | time | dict | list)


def _toml(value: Any) -> str:
    return tomli_w.dumps({"value": value})


def _back(values: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(tomllib.loads(each["toml"])["value"] if isinstance(each, dict) else each for each in values)
