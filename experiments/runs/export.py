"""The program that a scenario's policy solves before a slot, written to a file that other solvers read.

Slots before it are rolled as the horizon simulator does: the policy decides on what the coordinator would know, with
the scenario's forecasts, and decisions are executed by the boards' models, without learning. Before slot 0 nothing has
happened yet, and the program is the run's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from carbon_data.units import from_micro
from coordinator.market.solve import solve, write
from coordinator.policies.optimised import ModelPolicy
from coordinator.policies.registry import POLICIES, make_policy
from coordinator.policies.registry import resolve as find_policy
from coordinator.simulator.simulate import Information, World, simulate
from coordinator.slots.expecting import expected_g_per_kwh
from edge_node.energy.harvest import Harvest
from experiments.errors import RunError, UsageError
from experiments.resolve.chosen_policy import policy_settings
from experiments.resolve.foresight import whole_run
from experiments.resolve.resolve import resolve
from experiments.resolve.resolved import Resolved

if TYPE_CHECKING:
    from coordinator.market.decision import FleetDecision
    from coordinator.market.fleet import Fleet, Floats
    from coordinator.market.forecast import Forecast
    from coordinator.market.program import Program
    from experiments.scenario.model import Scenario

ENDINGS = (".lp", ".mps")


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    file: Path
    scenario: str
    policy: str
    slot: int
    horizon_slots: int
    nodes: int
    rows: int
    columns: int
    nonzeros: int
    integers: int
    """Columns that must be whole."""
    objective_g: float | None = None
    """Optimum, penalties and tie-break included as in the file; None: not solved."""
    gap_fraction: float | None = None
    """Proven distance of ``objective_g`` from the optimum; None: not solved, or no bound in time."""

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__} | {"file": str(self.file)}


def check_file(path: Path) -> None:
    """Raises UsageError where a program cannot be written to ``path``: before anything is looked up or rolled."""
    if path.suffix not in ENDINGS:
        raise UsageError(f"{path}: the ending says the format; allowed are {' and '.join(ENDINGS)}")
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.parent}; make it, or give another name")
    if path.exists():
        raise UsageError(f"{path} exists already; give another name, or remove it first")


def export_program(scenario: Scenario, path: Path, slot: int = 0, solved: bool = False) -> Exported:
    """Write the program that ``scenario``'s policy solves before ``slot`` to ``path``, in J, batches and g, with names
    that carry the equations' numbers. ``solved``: solve it too.

    Raises UsageError for a bad file, a slot that the run does not have, or a policy that solves no program; RunError
    where the solver has no plan in its time."""
    check_file(path)
    resolved = resolve(scenario)
    policy = make_policy(scenario.policy, **policy_settings(scenario))
    if not isinstance(policy, ModelPolicy):
        raise UsageError(
            f"policy {scenario.policy} follows a rule or a market and solves no program of the whole fleet; those that "
            f"do: {', '.join(solving())}"
        )
    if slot not in range(len(resolved.stages)):
        raise UsageError(f"--slot {slot}: this run has slots 0..{len(resolved.stages) - 1}")
    fleet = fleet_before(resolved, policy, slot)
    plain = policy.program(fleet, scaled=False)
    try:
        write(plain, path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error}; give another name") from error
    objective_g, gap = None, None
    if solved:
        scaled = policy.program(fleet)
        found = solve(scaled, policy.solver_options(fleet.limits.may_sleep))
        if found.objective is None:
            raise RunError(f"{path} is written, but not solved: {found.message}")
        objective_g, gap = found.objective * scaled.grams_per_unit, found.gap_fraction
    return _told(plain, path, scenario, slot, objective_g, gap)


def _told(
    program: Program, path: Path, scenario: Scenario, slot: int, objective_g: float | None, gap: float | None
) -> Exported:
    layout = program.layout
    return Exported(
        file=path,
        scenario=scenario.name,
        policy=scenario.policy,
        slot=slot,
        horizon_slots=layout.shape.horizon,
        nodes=layout.shape.nodes,
        rows=layout.num_rows,
        columns=layout.num_columns,
        nonzeros=int(np.count_nonzero(program.values)),
        integers=int(program.integer.sum()),
        objective_g=objective_g,
        gap_fraction=gap,
    )


def solving() -> list[str]:
    """Registered policies that solve the one model."""
    return sorted(
        name
        for name in POLICIES
        if isinstance(found := find_policy(name), type) and issubclass(found, ModelPolicy)
    )


def information(resolved: Resolved) -> Information:
    """What a policy is told in the scenario's run, for the horizon simulator: forecasts as the run's own code makes
    them."""
    config = resolved.coordinator_config("export", Path("none"))
    return Information(
        horizon=config.horizon_slots,
        intensity=_expected_intensity(resolved),
        harvest=_expected_harvest(resolved),
        value_slots=config.known_slots,
        day_slots=config.day_slots,
        harvest_spread_fraction=config.harvest_spread_fraction,
    )


def fleet_before(resolved: Resolved, policy: ModelPolicy, slot: int) -> Fleet:
    """The fleet as ``policy`` knows it before ``slot`` of the scenario's run, all slots before it rolled."""
    watched = _Until(policy, slot)
    try:
        simulate(World(whole_run(resolved)), watched, information(resolved), seed=resolved.scenario.seed)
    except _Reached as reached:
        return reached.fleet
    raise RunError(f"the run ended before slot {slot}")


class _Reached(Exception):
    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet


class _Until:
    """A policy that stops before a slot and shows what it was told."""

    def __init__(self, policy: ModelPolicy, slot: int) -> None:
        self._policy, self._slot = policy, slot
        self.name = policy.name
        self.uses_harvest = getattr(policy, "uses_harvest", True)
        self.needs_truth = getattr(policy, "needs_truth", False)

    def init(self, seed: int) -> Any:
        return self._policy.init(seed)

    def decide(self, fleet: Fleet, state: Any) -> tuple[FleetDecision, Any]:
        if fleet.slot == self._slot:
            raise _Reached(fleet)
        return self._policy.decide(fleet, state)


def _expected_intensity(resolved: Resolved) -> Forecast:
    """What coordinator.slots.fleet_view expects: the slot itself is known, later ones as the zone's forecast says."""
    config = resolved.coordinator_config("export", Path("none"))
    zones = {zone.zone: zone for zone in config.zones}

    def told(series: Floats, now: int, slots: int) -> Floats:
        later = {
            name: expected_g_per_kwh(zone, now, slots - 1, config.forecast_known_slots)
            for name, zone in zones.items()
        }
        rows = [(series[i, now], *later[spec.zone]) for i, spec in enumerate(resolved.node_specs)]
        return np.array(rows, dtype=float)

    return told


def _expected_harvest(resolved: Resolved) -> Forecast:
    """What the nodes report, by their own code."""
    nodes = [
        Harvest(given.harvest, given.slot_s)
        for given in resolved.node_configs("export", "", with_harvest=resolved.with_harvest)
    ]

    def told(series: Floats, now: int, slots: int) -> Floats:
        return np.array(
            [[from_micro(uj) for uj in node.forecast_uj(now, slots)] for node in nodes], dtype=float
        )

    return told
