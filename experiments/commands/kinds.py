"""What there is of every kind that a scenario may name: read from the module that knows."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from pkgutil import resolve_name
from typing import Any


def _first_paragraph(thing: object) -> str:
    return " ".join((inspect.getdoc(thing) or "").partition("\n\n")[0].split())


def _tasks(registry: Any) -> dict[str, str]:
    found = {name: _first_paragraph(resolve_name(target)) for name, target in registry.TASKS.items()}
    return {
        **found,
        registry.NO_TASK: "Nothing is learned: the work is that of [demand], energy only.",
        registry.LANGUAGE: "Nothing is learned: nodes serve a language model, one server process each.",
    }


def _zones(sources: Any) -> dict[str, str]:
    profiles = sources.packaged_profiles()
    return {
        zone: f"{profiles.annual_mean_g_per_kwh(zone):.0f} g CO2e/kWh, mean of 2022"
        for zone in profiles.zones()
    }


def _boards(boards: Any) -> dict[str, str]:
    found = {name: boards.load_board(name) for name in boards.board_names()}
    return {name: f"{board.description}: {board.in_short}" for name, board in found.items()}


CATALOGUE: dict[str, tuple[str, str, Callable[[Any], dict[str, str]]]] = {
    "policies": (
        "coordinator.policies.registry",
        "what decides a slot: policy",
        lambda registry: registry.describe(),
    ),
    "sources": (
        "carbon_data.sources.registry",
        "carbon intensities: intensity.source",
        lambda registry: registry.describe(registry.INTENSITY_SOURCES),
    ),
    "live": (
        "carbon_data.live.services",
        "services of live intensity: intensity.live.service",
        lambda services: {name: _first_paragraph(service) for name, service in services.SERVICES.items()},
    ),
    "harvests": (
        "carbon_data.sources.registry",
        "what feeds batteries: harvest.kind",
        lambda registry: {**registry.describe(registry.HARVEST_SOURCES), "none": "No harvest."},
    ),
    "meters": (
        "edge_node.meters.registry",
        "what reads joules: fleet.meter, and a node's meter",
        lambda registry: registry.describe(),
    ),
    "tasks": ("edge_node.tasks.registry", "what is learned or served: task.name", _tasks),
    "strategies": (
        "experiments.scenario.strategies",
        "Flower's strategies: task.strategy",
        lambda strategies: strategies.describe_strategies(),
    ),
    "scenarios": (
        "experiments.scenario.packaged",
        "scenarios that ship with detabed",
        lambda packaged: packaged.packaged_scenarios(),
    ),
    "studies": (
        "experiments.studies.registry",
        "what `detabed reproduce` runs",
        lambda registry: {name: description for name, (_, description) in registry.STUDIES.items()},
    ),
    "zones": ("carbon_data.sources.profiles", "zones of the packaged profiles: nodes.zone", _zones),
    "boards": (
        "edge_node.energy.boards",
        "board profiles: board.profile",
        _boards,
    ),
    "transports": (
        "edge_node.energy.transport",
        "joules per byte of a network: network.transport",
        lambda transport: {
            name: f"{figure.value:g} {figure.unit}: {figure.source}"
            for name, figure in transport.transports().items()
        },
    ),
}
"""Kind -> (module that knows what there is of it, what it is and which key names it, how that module is asked). Only
the module of the kind that is asked for is imported: a list is quick."""


def catalogue(what: str) -> dict[str, str]:
    """Name and description of everything of one kind."""
    module, _, ask = CATALOGUE[what]
    return ask(import_module(module))
