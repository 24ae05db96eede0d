"""Refusal of keys without effect, by name: an option of another kind than the one chosen in its table, or weights of a
service that is not served.

Only what differs from the default counts as named: the scenario that a run writes has every key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from experiments.errors import UsageError
from experiments.scenario.model import Scenario

OWN = "package.module:Name"
"""Stands for every kind of the user's own."""
FORECAST = {"error_fraction": ("gaussian",)}
TASK = {"dirichlet_alpha": ("dirichlet",)}
TRAINING = {"cut": ("split",), "head": ("split",), "server": ("split", "vertical")}
ARRIVALS = {"peak_hour": ("diurnal",), "depth_fraction": ("diurnal",)}
FLEET = {"processes": ("ray", "virtual"), "isolation": ("ray", "virtual")}
HARVEST = {
    "peak_w": ("pv", "trace", "constant", "eia-2022", OWN),
    "tilt_deg": ("pv",),
    "azimuth_deg": ("pv",),
    "path": ("trace", OWN),
    "region": ("trace", "eia-2022", OWN),
    "options": ("pv", "trace", "constant", "eia-2022", OWN),
}
"""Options and the kinds that use them; what is not listed is used by every kind."""
DEMAND = {"busy_fraction": ("busy",), "region": ("trace",), "options": ("trace",)}
SAYS_NOTHING = {"peak_w": 0.0, "depth_fraction": 0.0, "error_fraction": 0.0}
"""Values that agree with kinds that do not use the option: no panel, a flat rate, no error."""


@dataclass(frozen=True)
class Kinded:
    """A table in which one key chooses what the others mean."""

    place: tuple[str | int, ...]
    table: BaseModel
    switch: str
    used_by: Mapping[str, tuple[str, ...]]

    def unused(self) -> Iterator[tuple[str, str]]:
        """Every option that is named and not used, and a sentence on it."""
        chosen = str(getattr(self.table, self.switch))
        kind = OWN if ":" in chosen else chosen
        for option, kinds in self.used_by.items():
            value = getattr(self.table, option)
            default = type(self.table).model_fields[option].default
            if kind in kinds or value == default or value == SAYS_NOTHING.get(option):
                continue
            allowed = " or ".join(f'"{each}"' for each in kinds)
            yield (
                option,
                f'{option} = {_shown(value)} has no effect with {self.switch} = "{chosen}": it is for '
                f"{self.switch} = {allowed}. Remove it, or change {self.switch}",
            )


def refuse_unused(scenario: Scenario) -> None:
    """Raises UsageError, with file, line and key, for the first option that the chosen kinds do not use."""
    for kinded in _tables(scenario):
        for option, sentence in kinded.unused():
            with scenario.at(*kinded.place, option):
                raise UsageError(sentence)
    _refuse_unused_error(scenario)
    _refuse_unused_load(scenario)
    _refuse_strangers(scenario)


def _tables(scenario: Scenario) -> Iterator[Kinded]:
    yield Kinded(("task",), scenario.task, "partition", TASK)
    yield Kinded(("training",), scenario.training, "kind", TRAINING)
    yield Kinded(("inference",), scenario.inference, "arrivals", ARRIVALS)
    for k, service in enumerate(scenario.inference.services):
        yield Kinded(("inference", "services", k), service, "arrivals", ARRIVALS)
    yield Kinded(("fleet",), scenario.fleet, "kind", FLEET)
    yield Kinded(("harvest",), scenario.harvest, "kind", HARVEST)
    yield Kinded(("demand",), scenario.demand, "kind", DEMAND)
    for k, node in enumerate(scenario.nodes):
        if node.harvest is not None:
            yield Kinded(("nodes", k, "harvest"), node.harvest, "kind", HARVEST)
        if node.demand is not None:
            yield Kinded(("nodes", k, "demand"), node.demand, "kind", DEMAND)


def _refuse_unused_error(scenario: Scenario) -> None:
    """The error of Gaussian forecasts, which intensity and harvest may each have or not."""
    spec = scenario.forecast
    if spec.of_harvest == "gaussian":
        return
    for option, sentence in Kinded(("forecast",), spec, "kind", FORECAST).unused():
        with scenario.at("forecast", option):
            raise UsageError(f'{sentence} or harvest to "gaussian"')


def _refuse_unused_load(scenario: Scenario) -> None:
    """Batches a slot, where something else says how many requests come."""
    spec = scenario.inference
    if spec.batches_per_slot == type(spec).model_fields["batches_per_slot"].default:
        return
    rates = [key for key in ("requests_per_s", "load_fraction") if getattr(spec, key) is not None]
    said = rates[0] if rates else "path" if spec.arrivals == "trace" else None
    if said is not None:
        with scenario.at("inference", "batches_per_slot"):
            raise UsageError(
                f"batches_per_slot = {spec.batches_per_slot} has no effect beside {said}, which says how many requests "
                "come; keep one of the two"
            )


def _refuse_strangers(scenario: Scenario) -> None:
    """Worths of (T3) belong to what is served: the learned task and the services beside it."""
    served = [scenario.task.name, *(service.label for service in scenario.inference.services)]
    for name in scenario.tree.services:
        if name not in served:
            with scenario.at("tree", "services", name):
                raise UsageError(
                    f"nothing called {name!r} is served; served are {', '.join(served)}. Correct the name, or declare "
                    "the service in [[inference.services]]"
                )


def _shown(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
