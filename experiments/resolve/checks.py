"""Checks of a scenario against this machine and its sources, before a run starts."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from carbon_data.types import DataError, Signal
from carbon_data.units import to_micro
from coordinator.config import ZoneIntensity
from coordinator.negotiation.table import Negotiating
from coordinator.policies.registry import make_policy
from edge_node.config import (
    BatteryConfig,
    BoardConfig,
    HarvestConfig,
)
from edge_node.meters.base import MeterError
from edge_node.meters.charge import Charge
from edge_node.meters.measured_harvest import open_panel
from edge_node.meters.modelled import ModelledMeter
from edge_node.meters.registry import probe_meter
from edge_node.tasks.none import NAME
from experiments.errors import UsageError
from experiments.fleet.processes import uses_ray
from experiments.fleet.temporary import require_short_folder
from experiments.resolve.chosen_policy import policy_settings
from experiments.resolve.demand import learns_nothing
from experiments.resolve.live import live_config
from experiments.scenario.model import Scenario
from experiments.scenario.system import FleetSpec
from protos.messages.terms import Stage


def check_meters(
    scenario: Scenario, entries: tuple[int, ...], boards: tuple[BoardConfig, ...], slot_s: float
) -> None:
    """Refuse meters that are not known or cannot run here, where the nodes live on this machine."""
    if scenario.fleet.address is not None or scenario.fleet.kind == "daemons":
        return
    probed: set[str] = set()
    for entry, board in zip(entries, boards, strict=True):
        own = scenario.nodes[entry].meter
        meter = own or scenario.fleet.meter
        if meter in probed:
            continue
        probed.add(meter)
        with scenario.at(*(("fleet", "meter") if own is None else ("nodes", entry, "meter"))):
            try:
                probe_meter(meter, board, slot_s)
            except MeterError as error:
                raise UsageError(str(error)) from error


def check_harvest_meters(
    scenario: Scenario, entries: tuple[int, ...], harvests: tuple[HarvestConfig, ...]
) -> None:
    """Likewise sensors of panels."""
    if scenario.fleet.address is not None or scenario.fleet.kind == "daemons":
        return
    probed: set[str] = set()
    for entry, harvest in zip(entries, harvests, strict=True):
        spec = scenario.nodes[entry].harvest_meter
        if spec is None or spec in probed:
            continue
        probed.add(spec)
        with scenario.at("nodes", entry, "harvest_meter"):
            try:
                open_panel(spec, harvest).stop()
            except MeterError as error:
                raise UsageError(str(error)) from error


def check_battery_meters(
    scenario: Scenario, entries: tuple[int, ...], batteries: tuple[BatteryConfig | None, ...], slot_s: float
) -> None:
    """Likewise gauges of batteries, which telemetry tells of and which know nothing of scaled capacities."""
    is_here = scenario.fleet.address is None and scenario.fleet.kind != "daemons"
    for entry, battery in zip(entries, batteries, strict=True):
        spec = scenario.nodes[entry].battery_meter
        if spec is None:
            continue
        with scenario.at("nodes", entry, "battery_meter"):
            if battery is None or battery.capacity_j == 0:
                raise UsageError(
                    f"battery_meter {spec!r} is of a node without a battery; give battery.capacity_wh"
                )
            if scenario.time.scale_storage and slot_s != scenario.time.trace_step_s:
                scale = slot_s / scenario.time.trace_step_s
                raise UsageError(
                    f"battery_meter {spec!r} reads a real battery, and the scenario scales it by {scale:.3g} (slot_s "
                    "to trace_step_s); give time.scale_storage = false"
                )
            if isinstance(make_policy(scenario.policy, **policy_settings(scenario)), Negotiating):
                raise UsageError(
                    f"policy {scenario.policy} negotiates and asks for no state of batteries; leave battery_meter out, "
                    "or choose another policy"
                )
            try:
                if is_here:
                    Charge(spec, to_micro(battery.capacity_j))
            except MeterError as error:
                raise UsageError(str(error)) from error


def check_sockets(scenario: Scenario) -> None:
    """Refuse a temporary folder in which Ray could not make its sockets, and a Ray cluster that somebody chose by
    RAY_ADDRESS, as Ray's own programs do, and that would not be used."""
    if not uses_ray(scenario) or scenario.fleet.address is not None:
        return
    require_short_folder()
    if chosen := os.environ.get("RAY_ADDRESS"):
        raise UsageError(
            f'RAY_ADDRESS is {chosen}, and this scenario starts a Ray of its own: give fleet.address = "auto" to use '
            "that cluster, or unset RAY_ADDRESS"
        )


def check_daemons(scenario: Scenario) -> None:
    """Refuse daemons in the clear: boards have certificates, and would show them nobody. Raises UsageError."""
    if scenario.fleet.kind == "daemons" and scenario.coordinator.insecure:
        raise UsageError(
            'coordinator.insecure and kind = "daemons": boards that joined have certificates and use them; remove '
            "insecure"
        )


def check_virtual(scenario: Scenario) -> None:
    """Refuse for a virtual fleet what its nodes, which are rows, cannot do. Raises UsageError."""
    if scenario.fleet.kind != "virtual":
        return
    others = 'or take kind = "inprocess" or "ray"'
    for stage in (Stage.PREPARATION, Stage.APPLICATION, Stage.RECYCLING):
        slots = getattr(scenario.stages, stage.value)
        if slots and not learns_nothing(scenario):
            with scenario.at("stages", stage.value):
                raise UsageError(
                    f'nodes of kind = "virtual" learn, in slots of development, and do nothing else; there are {slots} '
                    f"slots of {stage.value}: give {stage.value} = 0, {others}"
                )
    _check_learners(scenario)
    meters = [scenario.fleet.meter, *(node.meter for node in scenario.nodes if node.meter)]
    if measuring := [meter for meter in meters if meter != ModelledMeter.name]:
        raise UsageError(
            f'nodes of kind = "virtual" have no hardware that meter {measuring[0]} could read: give meter = '
            f'"{ModelledMeter.name}", {others}'
        )
    if isinstance(make_policy(scenario.policy, **policy_settings(scenario)), Negotiating):
        raise UsageError(
            f'policy {scenario.policy} negotiates with every node, and those of kind = "virtual" have no agents: '
            f"choose another policy, {others}"
        )


def _check_learners(scenario: Scenario) -> None:
    """Processes that train rows. Raises UsageError."""
    spec = scenario.fleet
    if spec.processes == "per-node":
        with scenario.at("fleet", "processes"):
            raise UsageError(
                'nodes of kind = "virtual" have no process each: give processes = "auto" or a number, or take '
                'kind = "ray"'
            )
    for key in ("processes", "address"):
        if learns_nothing(scenario) and getattr(spec, key) != FleetSpec.model_fields[key].default:
            with scenario.at("fleet", key):
                raise UsageError(
                    f'{key} says where nodes of kind = "virtual" train, and task.name = "{NAME}" trains nothing: '
                    f"remove {key}, or choose a task"
                )


def check_accounting(scenario: Scenario, zones: tuple[ZoneIntensity, ...], slots: int) -> None:
    """The additional accounting columns are computed after the run; their missing data are reported before it
    starts."""
    spec = scenario.accounting
    names = [zone.zone for zone in zones]
    with scenario.at("accounting", "market_g_per_kwh"):
        if strangers := sorted(set(spec.market_g_per_kwh) - set(names)):
            raise UsageError(
                f"no node is in {', '.join(strangers)}; zones of this scenario: {', '.join(names)}"
            )
    if spec.marginal is None:
        return
    if spec.marginal.is_live:
        live_config(scenario, names)
        return
    with scenario.at("accounting", "marginal"):
        source = spec.marginal.open()
        step = timedelta(seconds=scenario.time.trace_step_s)
        for name in names:
            require_marginal(source.series(name, scenario.time.start, step, slots), spec.marginal.source)


def require_marginal(series: Any, source: str) -> None:
    """Average and marginal intensity are never mixed. Raises DataError for a series of averages."""
    if series.origin.signal is not Signal.MARGINAL:
        raise DataError(
            f"source {source!r} gives {series.origin.signal} intensity; a marginal one "
            "is needed, since the two are never mixed"
        )
