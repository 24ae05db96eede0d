"""A horizon simulator: any policy over T slots of given traces, decisions executed physically, grams booked.

Pure and quick, with neither learning nor processes: for regret against the optimum and for sweeps of many
cells."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from carbon_data.units import JOULES_PER_KWH
from coordinator.market.backlog import Backlog
from coordinator.market.decision import Outcome
from coordinator.market.fleet import Bools, Fleet, Floats, Ints
from coordinator.market.forecast import Forecast, Perfect
from coordinator.market.participation import last_slots
from coordinator.market.physics import execute
from coordinator.policies.base import Policy
from coordinator.policies.guard import without_unselected
from coordinator.policies.registry import traits
from coordinator.policies.validate import violations

_DAY = 24


@dataclass(frozen=True)
class World:
    """True values of a run: a fleet whose horizon is the whole run of T slots, with the true values in it.

    Columns of history before the run let forecasts look back.
    """

    fleet: Fleet
    intensity_before_g_per_kwh: Floats | None = None
    """(N, P) before the run."""
    harvest_before_j: Floats | None = None
    """(N, P)."""

    def __post_init__(self) -> None:
        shapes = {
            None if past is None else past.shape
            for past in (self.intensity_before_g_per_kwh, self.harvest_before_j)
        }
        if len(shapes) != 1:
            raise ValueError(
                f"histories of intensity and harvest must both be given, of one shape; got {shapes}"
            )

    @property
    def lead_in(self) -> int:
        """P."""
        past = self.intensity_before_g_per_kwh
        return 0 if past is None else past.shape[1]

    def intensity(self) -> Floats:
        """(N, P + T)."""
        past, now = self.intensity_before_g_per_kwh, self.fleet.intensity_g_per_kwh
        return now if past is None else np.hstack([past, now])

    def harvest(self) -> Floats:
        """(N, P + T)."""
        past, now = self.harvest_before_j, self.fleet.harvest_j
        return now if past is None else np.hstack([past, now])


@dataclass(frozen=True)
class Information:
    """Information of a policy (methods.md section 1): look-ahead and forecasts.

    Oracle: ``horizon=None`` with perfect forecasts; MPC: a horizon and forecasts; myopic: ``horizon=1``.
    """

    horizon: int | None = None
    """H: slots that a policy optimises; None: to the end of the run."""
    intensity: Forecast = field(default_factory=Perfect)
    harvest: Forecast = field(default_factory=Perfect)
    value_slots: int = _DAY
    """Slots ahead that are known at least, as far as the run goes: they value what is stored after the ``horizon``
    (D9). A day."""
    day_slots: int = _DAY
    """Slots in a day."""
    harvest_spread_fraction: float | None = None
    """Standard deviation of a day's harvest around its forecast, as a share of it; None: as ``harvest`` states it, 0
    where it states nothing."""

    @property
    def harvest_spread(self) -> float:
        """``harvest_spread_fraction`` or what the forecast of harvest states."""
        given = self.harvest_spread_fraction
        return getattr(self.harvest, "spread_fraction", 0.0) if given is None else given


@dataclass(frozen=True)
class Run:
    """Outcome of a policy's run; arrays are (T, N) unless said otherwise."""

    world: World
    intensity_g_per_kwh: Floats
    demand_j: Floats
    grid_j: Floats
    green_j: Floats
    harvest_j: Floats
    charge_j: Floats
    discharge_j: Floats
    export_j: Floats
    import_j: Floats
    curtailed_j: Floats
    battery_j: Floats
    """After each slot."""
    operational_g: Floats
    network_g: Floats
    """(T,)."""
    executed_batches: Ints
    """By executor."""
    offloaded_batches: Ints
    """By owner."""
    unserved_batches: Ints
    """By owner."""
    unselected_batches: Ints
    """By owner: work of nodes that a client-selection rule passed over."""
    awake: Bools
    selected: Bools
    outcomes: tuple[Outcome, ...]

    @property
    def emissions_g(self) -> float:
        """Scope 2, network included: (D0) as it happened."""
        return float(self.operational_g.sum() + self.network_g.sum())

    @property
    def objective_g(self) -> float:
        """Emissions less the value of what is left in store: what the model minimises."""
        value = self.world.fleet.stored_value_g_per_j * self.battery_j[-1]
        return self.emissions_g - float(value.sum())

    @property
    def participations(self) -> Ints:
        """(N,) slots in which a node was selected and ran something."""
        return (self.selected & (self.executed_batches > 0)).sum(axis=0)


def simulate(world: World, policy: Policy, information: Information | None = None, seed: int = 0) -> Run:
    """Roll ``policy`` over the world's T slots.

    Every decision is validated; one that breaks a limit raises ValueError, for in a study a fall-back would
    hide it. Policies with ``needs_truth`` get the true future; those with ``uses_harvest =
    False`` run on nodes without harvest and battery. Work still waiting at the end of the run is due in its
    last slot."""
    told = information or Information()
    truth = world.fleet
    if not traits(policy).uses_harvest:
        none = np.zeros(truth.size)
        truth = replace(
            truth, harvest_j=np.zeros_like(truth.harvest_j), battery_j=none, battery_capacity_j=none.copy()
        )
        world = replace(world, fleet=truth, harvest_before_j=None, intensity_before_g_per_kwh=None)
    total = truth.horizon
    backlog = first_backlog(truth)
    battery, asleep = truth.battery_j, truth.asleep
    harvested = np.zeros(truth.size) if truth.harvested_before_j is None else truth.harvested_before_j
    given_away = np.zeros(truth.size) if truth.given_before_j is None else truth.given_before_j
    counts = np.zeros(truth.size, dtype=np.int64) if truth.participations is None else truth.participations
    series = (world.intensity(), world.harvest())
    last = last_slots(truth)
    state = policy.init(seed)
    rows: list[dict[str, Any]] = []
    outcomes: list[Outcome] = []
    for slot in range(total):
        fleet = replace(
            _fleet_at(world, told, series, slot, backlog, battery, asleep, counts, policy),
            harvested_before_j=harvested,
            given_before_j=given_away,
        )
        decision, state = policy.decide(fleet, state)
        wrong = violations(fleet, decision)
        if wrong:
            raise ValueError(f"policy {policy.name} breaks a limit in slot {slot}: {wrong[0]}")
        given = decision
        decision = without_unselected(decision, fleet)
        actual = replace(
            fleet,
            intensity_g_per_kwh=truth.intensity_g_per_kwh[:, slot : slot + fleet.horizon],
            harvest_j=truth.harvest_j[:, slot : slot + fleet.horizon],
        )
        flows = execute(actual, decision)
        executed, away = decision.run_batches(), decision.away_batches()
        backlog, missed = backlog.advance(decision.home_batches, away)
        passed_over = np.minimum(missed, np.maximum(given.own_batches() - decision.own_batches(), 0))
        chosen = decision.awake if decision.selected is None else decision.selected
        counts = counts + (chosen & (executed > 0))
        row: dict[str, Any] = {spec.name: getattr(flows, spec.name) for spec in fields(flows)}
        row |= {
            "executed_batches": executed,
            "offloaded_batches": away,
            "unserved_batches": missed - passed_over,
            "unselected_batches": passed_over,
            "awake": decision.awake,
            "selected": chosen,
        }
        rows.append(row)
        outcomes.append(decision.outcome)
        battery, asleep = flows.battery_j, ~decision.awake
        harvested, given_away = harvested + flows.harvest_j, given_away + flows.export_j
        if slot + 1 < total:
            waits = min(int(last[slot + 1]), total - 1) - (slot + 1)
            backlog = backlog.release(
                truth.release_batches[:, slot], truth.limits.offload_cap_fraction, waits
            )
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return Run(
        world=world, intensity_g_per_kwh=truth.intensity_g_per_kwh.T, outcomes=tuple(outcomes), **columns
    )


def first_backlog(truth: Fleet) -> Backlog:
    """Work there is at the start, due at the latest in the run's last slot."""
    q, last = truth.limits.deadline_slots, truth.horizon - 1
    batches = truth.backlog_batches.copy()
    if truth.offload_room_batches is None:
        room = np.floor(truth.limits.offload_cap_fraction * batches + 1e-9).astype(np.int64)
    else:
        room = truth.offload_room_batches.copy()
    if q > last:
        for matrix in (batches, room):
            matrix[:, last] += matrix[:, last + 1 :].sum(axis=1)
            matrix[:, last + 1 :] = 0
    return Backlog(batches, room)


def _fleet_at(
    world: World,
    told: Information,
    series: tuple[Floats, Floats],
    slot: int,
    backlog: Backlog,
    battery: Floats,
    asleep: Bools,
    counts: Ints,
    policy: Policy,
) -> Fleet:
    """The fleet as a policy may know it in ``slot``."""
    truth, total = world.fleet, world.fleet.horizon
    knows = traits(policy).needs_truth
    decided = total - slot if told.horizon is None or knows else min(told.horizon, total - slot)
    slots = min(max(decided, told.value_slots), total - slot)
    end, now = slot + slots, world.lead_in + slot
    intensity, harvest = (
        forecast(values, now, slots)
        for forecast, values in zip((told.intensity, told.harvest), series, strict=True)
    )
    value = truth.stored_value_g_per_j
    if end < total:
        day = intensity[:, -told.day_slots :].mean(axis=1)
        value = truth.discharge_efficiency * day / JOULES_PER_KWH
    window, can = slice(slot, end), truth.can_sleep
    return replace(
        truth,
        slot=slot,
        decision_slots=decided,
        later_slots=total - end,
        end_value_g_per_j=truth.stored_value_g_per_j,
        day_slots=told.day_slots,
        harvest_spread_fraction=0.0 if knows else told.harvest_spread,
        intensity_g_per_kwh=intensity,
        harvest_j=harvest,
        backlog_batches=backlog.batches,
        offload_room_batches=backlog.room,
        release_batches=truth.release_batches[:, slot : end - 1],
        seconds_per_batch=truth.seconds_per_batch[:, window],
        joules_per_batch=truth.joules_per_batch[:, window],
        model_j=None if truth.model_j is None else truth.model_j[:, window],
        request_j=None if truth.request_j is None else truth.request_j[:, window],
        bytes_per_batch=truth.bytes_per_batch[window],
        offloadable=truth.offloadable[window],
        release_last_slot=None
        if truth.release_last_slot is None
        else np.maximum(truth.release_last_slot[window] - slot, 0),
        battery_j=battery,
        stored_value_g_per_j=value,
        asleep=asleep,
        can_sleep=can if can is None or can.ndim == 1 else can[:, window],
        participations=counts,
        true_intensity_g_per_kwh=truth.intensity_g_per_kwh[:, window] if knows else None,
        true_harvest_j=truth.harvest_j[:, window] if knows else None,
    )
