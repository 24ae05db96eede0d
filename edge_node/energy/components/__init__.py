"""Readings of devices for the component power model (T2), one TOML file each; every reading has a source."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from importlib import resources
from pathlib import Path
from typing import Any

from edge_node.energy.component_power import Component, ComponentModel, OperatingPoint, Reading, fit
from edge_node.energy.sourced import SourceError, read_text

_POINT_KEYS = {field.name for field in fields(OperatingPoint)}
_READING_KEYS = _POINT_KEYS | {"name", "power_w", "covers", "above", "source", "note"}


@dataclass(frozen=True, slots=True)
class ComponentProfile:
    """A device's readings and the model fitted to them."""

    name: str
    description: str
    readings: tuple[Reading, ...]
    notes: dict[str, str]

    def model(self) -> ComponentModel:
        """(T2) fitted by non-negative least squares."""
        return fit(self.readings)

    def reading(self, name: str) -> Reading:
        """A reading by name. Raises SourceError for an unknown one."""
        for reading in self.readings:
            if reading.name == name:
                return reading
        known = ", ".join(reading.name for reading in self.readings)
        raise SourceError(f"profile {self.name} has no reading {name!r}; allowed are {known}")


def profile_names() -> tuple[str, ...]:
    """Names of the packaged profiles."""
    files = [entry.name for entry in resources.files(__name__).iterdir()]
    return tuple(sorted(name[:-5].replace("_", "-") for name in files if name.endswith(".toml")))


def load_profile(name: str) -> ComponentProfile:
    """A packaged profile by name, e.g. ``rtx-4090-server``, or one's own by the path of its TOML file.

    Raises:
        SourceError: unknown profile, or a reading without source or with a key that is not known.
    """
    if name in profile_names():
        text = (resources.files(__name__) / f"{name.replace('-', '_')}.toml").read_text(encoding="utf-8")
    elif name.endswith(".toml") and Path(name).is_file():
        text = read_text(Path(name), f"profile {name}", ", ".join(profile_names()))
    else:
        raise SourceError(
            f"unknown profile {name!r}; allowed are {', '.join(profile_names())} or the path of a TOML file"
        )
    return _parse(text, name)


def _parse(text: str, name: str) -> ComponentProfile:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SourceError(f"profile {name} is no TOML: {error}") from error
    entries = document.get("reading")
    if not isinstance(entries, list) or not entries:
        raise SourceError(f"profile {name} has no [[reading]]; write at least two")
    readings: list[Reading] = []
    notes: dict[str, str] = {}
    for entry in entries:
        reading = _reading(entry, f"profile {name}: reading {entry.get('name', len(readings) + 1)!r}")
        readings.append(reading)
        notes[reading.name] = str(entry.get("note", ""))
    return ComponentProfile(
        str(document.get("name", name)), str(document.get("description", "")), tuple(readings), notes
    )


def _reading(entry: dict[str, Any], where: str) -> Reading:
    if unknown := set(entry) - _READING_KEYS:
        raise SourceError(
            f"{where} has {', '.join(sorted(unknown))}; allowed are {', '.join(sorted(_READING_KEYS))}"
        )
    for key in ("name", "source"):
        if not isinstance(entry.get(key), str) or not entry[key].strip():
            raise SourceError(
                f"{where} has no {key}; say where the reading comes from, or 'choice: ' and why"
            )
    above: OperatingPoint | None = None
    if "above" in entry:
        raw = entry["above"]
        # Power above the same point with some variables changed, e.g. memory at rest.
        merged = {key: value for key, value in entry.items() if key in _POINT_KEYS} | dict(raw)
        if wrong := set(raw) - _POINT_KEYS:
            raise SourceError(f"{where}: above has {sorted(wrong)}; allowed are {sorted(_POINT_KEYS)}")
        above = OperatingPoint(**merged)
    try:
        return Reading(
            name=entry["name"],
            point=OperatingPoint(**{key: entry[key] for key in _POINT_KEYS & set(entry)}),
            power_w=float(entry["power_w"]),
            covers=frozenset(Component(part) for part in entry.get("covers", list(Component))),
            above=above,
            source=entry["source"],
        )
    except KeyError as error:
        raise SourceError(f"{where} has no {error}; every reading needs one") from error
    except ValueError as error:
        raise SourceError(f"{where}: {error}") from error
