"""What can be named in a scenario, for ``detabed list``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module


def _policies() -> dict[str, str]:
    from coordinator.policies.registry import describe

    return describe()


def _sources() -> dict[str, str]:
    from carbon_data.sources.registry import INTENSITY_SOURCES, describe

    return describe(INTENSITY_SOURCES)


def _harvests() -> dict[str, str]:
    from carbon_data.sources.registry import HARVEST_SOURCES, describe

    return {**describe(HARVEST_SOURCES), "none": "No harvest."}


def _meters() -> dict[str, str]:
    from edge_node.meters.registry import METERS

    return {name: _first_paragraph(factory) for name, factory in METERS.items()}


def _tasks() -> dict[str, str]:
    from edge_node.tasks.registry import TASKS

    found = {}
    for name, target in TASKS.items():
        module, _, attribute = target.partition(":")
        found[name] = _first_paragraph(getattr(import_module(module), attribute))
    return found


def _strategies() -> dict[str, str]:
    from experiments.scenario.strategies import describe_strategies

    return describe_strategies()


def _scenarios() -> dict[str, str]:
    from experiments.resolve.prepare import packaged_scenarios

    return packaged_scenarios()


def _zones() -> dict[str, str]:
    from carbon_data.sources.profiles import packaged_profiles

    profiles = packaged_profiles()
    return {
        zone: f"{profiles.annual_mean_g_per_kwh(zone):.0f} g CO2e/kWh, mean of 2022"
        for zone in profiles.zones()
    }


def _boards() -> dict[str, str]:
    from edge_node.energy.boards import board_names, load_board

    return {name: load_board(name).description for name in board_names()}


def _transports() -> dict[str, str]:
    from edge_node.energy.transport import transports

    return {name: f"{figure.value:g} {figure.unit}: {figure.source}" for name, figure in transports().items()}


def _studies() -> dict[str, str]:
    from experiments.studies.registry import STUDIES

    return {name: description for name, (_, description) in STUDIES.items()}


CATALOGUE: dict[str, Callable[[], dict[str, str]]] = {
    "policies": _policies,
    "sources": _sources,
    "harvests": _harvests,
    "meters": _meters,
    "tasks": _tasks,
    "strategies": _strategies,
    "scenarios": _scenarios,
    "studies": _studies,
    "zones": _zones,
    "boards": _boards,
    "transports": _transports,
}


def catalogue(what: str) -> dict[str, str]:
    """Name and description of everything of one kind."""
    return CATALOGUE[what]()


def _first_paragraph(thing: object) -> str:
    return " ".join((inspect.getdoc(thing) or "").partition("\n\n")[0].split())
