"""A scenario as it was given: its keys before defaults are filled in and before nodes inherit from its tables.

Who changes a key here gets what a change of the file would give; in the validated scenario the nodes already have
their own copies of what they inherit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from experiments.scenario.objects import name_of

if TYPE_CHECKING:
    from experiments.scenario.model import Scenario

CHANGED_LATER = ("policy", "policy_options", "seed", "fleet")
"""Keys that the command line changes in a scenario that was validated before."""


@dataclass(frozen=True)
class Given:
    """The keys, and the folder from which relative paths count. All are equal: how a scenario was written is no part of
    what it says."""

    values: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)
    folder: Path | None = field(default=None, compare=False)


def keys_of(given: Given, scenario: Scenario) -> dict[str, Any] | None:
    """A copy of the keys that give ``scenario``; None where it was made otherwise (``model_copy`` with changes)."""
    if given.values is None:
        return None
    values: dict[str, Any] = _plain(given.values)
    for key in CHANGED_LATER:
        now = getattr(scenario, key)
        if key in values or now != type(scenario).model_fields[key].get_default():
            values[key] = _plain(now)
    again = type(scenario).model_validate(values, context={"folder": given.folder})
    return values if again == scenario else None


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return {name: _plain(getattr(value, name)) for name in sorted(value.model_fields_set)}
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, Path):
        return str(value)
    return name_of(value) if callable(value) else value
