"""Cells: the scenario with the values of a cell in place, validated."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.errors import UsageError
from experiments.fleet.processes import uses_ray
from experiments.runs.signals import refuse_live_comparison
from experiments.scenario.keys import MAX_SEED
from experiments.scenario.model import Scenario
from experiments.scenario.written import values_of
from experiments.sweep.axes import Axis, assignment, shown

OWN_RESULT = "cells run beside each other, one process each, and their results are kept by content"


@dataclass(frozen=True)
class Base:
    """The scenario of a sweep, as it was given."""

    values: Mapping[str, Any]
    folder: Path | None
    """From which its relative paths count."""
    policy: str
    """To which its policy options belong."""

    @classmethod
    def of(cls, scenario: Scenario) -> Base:
        given = scenario.as_given()
        values = values_of(scenario) if given is None else given
        folder = (scenario.folder or Path()).absolute()
        return cls(values, folder, scenario.policy)


def cell_scenario(base: Base, axes: Sequence[Axis], values: Sequence[Any], policy: str) -> Scenario:
    """The scenario of a cell under ``policy``. Raises UsageError that names the cell's values."""
    keys = copy.deepcopy(dict(base.values))
    said = assignment(axes, values)
    try:
        keys["policy"] = policy
        for axis, value in zip(axes, values, strict=True):
            put(keys, axis.key, value)
        if policy != base.policy:
            keys["policy_options"] = {}  # they belong to the policy they were written for
        _in_one_process(keys)
        scenario = _on_one_core(Scenario.model_validate(keys, context={"folder": base.folder}))
        require_own_process(scenario)
    except UsageError as error:
        first = str(error).splitlines()[0]
        raise UsageError(f"--set {said}: {first}" if said else first) from None
    return scenario


def put(keys: dict[str, Any], key: str, value: Any) -> None:
    """Set the dotted ``key``, in every table of a list unless it is counted. Raises UsageError."""
    *tables, last = key.split(".")
    for table in _tables(keys, tables, key):
        table[last] = copy.deepcopy(value)


def _tables(inside: Any, parts: Sequence[str], key: str) -> list[dict[str, Any]]:
    if isinstance(inside, list | tuple):
        if parts and parts[0].isdigit():
            if int(parts[0]) >= len(inside):
                raise UsageError(f"{key}: there are {len(inside)} of it, counted from 0 to {len(inside) - 1}")
            return _tables(inside[int(parts[0])], parts[1:], key)
        return [table for each in inside for table in _tables(each, parts, key)]
    if not isinstance(inside, dict):
        raise UsageError(f"{key}: a part of it is no table, but {shown(inside)}")
    if not parts:
        return [inside]
    return _tables(inside.setdefault(parts[0], {}), parts[1:], key)


def _in_one_process(keys: dict[str, Any]) -> None:
    """Where the scenario leaves it open, all of a cell is in one process: it changes no figure."""
    fleet = keys.setdefault("fleet", {})
    if isinstance(fleet, dict):
        fleet.setdefault("kind", "inprocess")


def _on_one_core(scenario: Scenario) -> Scenario:
    """A virtual fleet that would choose how many processes train: it has one."""
    fleet = scenario.fleet
    if fleet.kind == "virtual" and fleet.address is None and fleet.processes == "auto" and uses_ray(scenario):
        return scenario.model_copy(update={"fleet": fleet.model_copy(update={"processes": 1})})
    return scenario


def require_own_process(scenario: Scenario) -> None:
    """Raises UsageError where a cell would need more than one process, or reads what others do."""
    if scenario.fleet.kind not in ("inprocess", "virtual") or uses_ray(scenario):
        raise UsageError(
            f'fleet.kind = "{scenario.fleet.kind}" has processes or boards of its own, and {OWN_RESULT}; give --fleet '
            "inprocess or virtual (with processes = 1): the figures are the same."
        )
    named = [
        meter
        for node in scenario.nodes
        for meter in (node.meter, node.harvest_meter, node.battery_meter)
        if meter
    ]
    meters = {scenario.fleet.meter, *named}
    if meters != {"modelled"}:
        raise UsageError(
            f"meter {', '.join(sorted(meters - {'modelled'}))} reads what all processes of this machine do, and "
            f'{OWN_RESULT}; use meter = "modelled", or detabed compare'
        )
    if scenario.time.clock == "wall":
        raise UsageError(f'time.clock = "wall" measures real time, and {OWN_RESULT}; use detabed compare')
    refuse_live_comparison(scenario)


def seeds_of(scenario: Scenario, count: int) -> tuple[int, ...]:
    """``count`` seeds from the scenario's on. Raises UsageError."""
    if count < 1:
        raise UsageError(f"seeds = {count}; allowed is 1 or more")
    if scenario.seed + count - 1 > MAX_SEED:
        raise UsageError(
            f"seeds {scenario.seed} to {scenario.seed + count - 1}; allowed are up to {MAX_SEED}"
        )
    return tuple(range(scenario.seed, scenario.seed + count))
