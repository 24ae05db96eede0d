"""From the command line's arguments to a validated scenario, before anything starts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from carbon_data.own_code import look_beside
from coordinator.policies.registry import PolicyError
from coordinator.policies.registry import resolve as find_policy
from edge_node.energy.boards import EMBODIED
from edge_node.energy.sourced import Figure, Unknown
from experiments.errors import UsageError
from experiments.resolve.devices import CPU, described
from experiments.resolve.made import boards_from, factors_from
from experiments.resolve.served import serving_of
from experiments.scenario.keys import MAX_SEED
from experiments.scenario.model import Scenario, load_scenario, parse_scenario
from experiments.scenario.packaged import packaged_scenario_text, packaged_scenarios
from experiments.scenario.system import FleetSpec
from experiments.scenario.work import ServiceSpec

if TYPE_CHECKING:
    from experiments.resolve.resolved import Resolved

FLEETS = get_args(FleetSpec.model_fields["kind"].annotation)


def open_scenario(
    name: str, *, policy: str | None = None, seed: int | None = None, fleet: str | None = None
) -> Scenario:
    """Scenario from a file, or a packaged one by name, with the command line's changes applied and validated.
    What it names as ``package.module:Name`` is looked for beside it too, from now on (carbon_data.own_code)."""
    # A file of yours goes before a packaged scenario of its name; a folder, such as an earlier run's, does not.
    if name in packaged_scenarios() and not Path(name).is_file():
        look_beside(None)
        scenario = parse_scenario(packaged_scenario_text(name), name)
    else:
        path = Path(name)
        if not path.exists() and path.suffix != ".toml":
            raise UsageError(
                f"{name}: neither a file nor a packaged scenario; packaged are: {', '.join(packaged_scenarios())}"
            )
        scenario = load_scenario(path)
        look_beside(path.absolute().parent)
    return changed(scenario, policy=policy, seed=seed, fleet=fleet)


def changed(
    scenario: Scenario,
    *,
    policy: str | None = None,
    seed: int | None = None,
    fleet: str | None = None,
    task: str | None = None,
) -> Scenario:
    """``scenario`` with another policy, seed, fleet or task. Raises UsageError."""
    changes: dict[str, Any] = {}
    if task is not None and task != scenario.task.name:
        if scenario.task.is_app:
            raise UsageError(
                f"task {task}: the scenario runs a Flower app in place of a task; take another scenario"
            )
        # So do data to a task.
        changes["task"] = scenario.task.model_copy(update={"name": task, "data": "auto"})
    if policy is not None and policy != scenario.policy:
        # Options belong to the policy they were written for.
        changes |= {"policy": known_policy(policy), "policy_options": {}}
    if seed is not None:
        if not 0 <= seed <= MAX_SEED:
            raise UsageError(f"seed {seed}: allowed are 0 to {MAX_SEED}")
        changes["seed"] = seed
    if fleet is not None:
        if fleet not in FLEETS:
            raise UsageError(f"fleet {fleet}: allowed are {', '.join(FLEETS)}")
        if fleet == "daemons" != scenario.fleet.kind:
            raise UsageError(
                'fleet daemons: write kind = "daemons" and cluster = "boards.toml" in [fleet] of the scenario'
            )
        if fleet != scenario.fleet.kind:  # so do options of a kind of fleet
            changes["fleet"] = FleetSpec.model_validate({"kind": fleet, "meter": scenario.fleet.meter})
    return scenario.model_copy(update=changes)


def known_policy(name: str) -> str:
    """``name``, if it is a policy's. Raises UsageError: the command line has no line number to point at."""
    try:
        find_policy(name)
    except PolicyError as error:
        raise UsageError(str(error)) from error
    serving_of(name)
    return name


def describe(resolved: Resolved) -> dict[str, str]:
    """The resolved scenario in words: each figure with its unit, equal nodes counted."""
    facts = resolved.summary()
    zones = Counter(spec.zone for spec in resolved.node_specs)
    stages = Counter(stage.value for stage in resolved.stages)
    return {
        "policy": str(facts["policy"]),
        "seed": str(facts["seed"]),
        "nodes": f"{facts['nodes']} in {', '.join(_times(zone, n) for zone, n in zones.items())}",
        "slots": f"{facts['slots']}: {', '.join(f'{n} {stage}' for stage, n in stages.items())}",
        "a policy plans": f"{facts['horizon_slots']} slots ahead, knowing {facts['known_slots']}",
        "a slot lasts": f"{resolved.slot_s:.4g} s; traces advance {facts['trace_step_s']:g} s meanwhile",
        "traces from": str(facts["start"]),
        "task": f"{facts['task']} on {facts['data_used']} ({resolved.data_origin})",
        **({} if set(resolved.devices) == {CPU} else {"computes on": described(resolved.devices)}),
        "also served": ", ".join(_service(each) for each in resolved.scenario.inference.services)
        or "nothing",
        **_work(resolved, facts),
        **{f"board {name}": text for name, text in _boards(resolved).items()},
        **{f"factor {name}": text for name, text in _factors(resolved).items()},
        "highest harvest": _range(facts["harvest_peak_w"], "W"),
        "battery": _range(facts["battery_capacity_j"], "J"),
        "intensity": str(next(o["source"] for k, o in resolved.origins.items() if k.startswith("intensity"))),
        "forecast": _forecast(resolved),
        **{f"polled: {signal}": what for signal, what in resolved.polled.items()},
    }


def _work(resolved: Resolved, facts: Mapping[str, Any]) -> dict[str, str]:
    """Batches that nodes' work is in, and the requests to a language model."""
    batches = ", ".join(str(n) for n in facts["batches_per_node_and_slot"])
    if (requests := facts["requests"]) is None:
        return {"batches a node and slot": batches}
    mean = requests / (len(resolved.node_specs) * len(resolved.stages))
    return {
        "batches a node and slot": f"{batches} in the fullest slot",
        "requests": f"{requests} in the run, {mean:.3g} a node and slot on average",
    }


def _boards(resolved: Resolved) -> dict[str, str]:
    """By board: who has it, its powers as the run takes them, and the emissions of making it."""
    made = boards_from(resolved.made)
    names = [made[key][0] for key in resolved.profiles]
    counts = Counter(zip(names, resolved.boards, strict=True))
    found: dict[str, list[str]] = {}
    for (name, board), count in counts.items():
        asleep = (
            f"asleep {board.sleep_w:g} W"
            if board.knows_sleep
            else "asleep unknown (it cannot sleep by the model)"
        )
        found.setdefault(name, []).append(
            f"{count} nodes: idle {board.static_w:g} W, load {board.busy_w:g} W, {asleep}"
        )
    holder = made[resolved.scenario.coordinator.board.profile][0]
    found.setdefault(holder, []).append("coordinator")
    return {
        name: "; ".join([*texts, f"embodied {_grams(figures.get(EMBODIED))}"])
        for name, texts in found.items()
        for figures in [next(figures for other, figures in made.values() if other == name)]
    }


def _grams(figure: Figure | Unknown | None) -> str:
    if isinstance(figure, Figure):
        return f"{figure.value / 1000:.3g} kg CO2e ({figure.source})"
    return f"unknown{'' if figure is None else f' ({figure.why})'}: its column leaves these nodes out"


def _factors(resolved: Resolved) -> dict[str, str]:
    """The scenario's own factors."""
    return {
        f"{subject}.{name}": f"{figure.value:g} {figure.unit}: {figure.source}"
        if isinstance(figure, Figure)
        else f"unknown: {figure.why}"
        for subject, figures in factors_from(resolved.made).items()
        for name, figure in figures.items()
    }


def _forecast(resolved: Resolved) -> str:
    """Forecasts of intensity and harvest, and missing values of a file's issues."""
    spec = resolved.scenario.forecast
    kinds = spec.kind if spec.of_harvest == spec.kind else f"{spec.kind}; harvest {spec.of_harvest}"
    files = [origin for name, origin in resolved.origins.items() if name.startswith("forecast ")]
    notes = [str(origin["notes"]) for origin in files]
    return "; ".join([kinds, *dict.fromkeys(str(origin["source"]) for origin in files), *notes])


def _service(spec: ServiceSpec) -> str:
    name = spec.label if spec.label == spec.task else f"{spec.label} ({spec.task})"
    return f"{name}, untrained"


def _times(name: str, count: int) -> str:
    return name if count == 1 else f"{name} x {count}"


def _range(values: Sequence[float], unit: str) -> str:
    """Number of nodes with a value, and its range."""
    some = [value for value in values if value > 0]
    if not some:
        return "none"
    low, high = f"{min(some):.3g}", f"{max(some):.3g}"
    return f"{low if low == high else f'{low} to {high}'} {unit} at {len(some)} of {len(values)} nodes"
