"""Tables of published figures in TOML: a number without a source does not load."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass
from typing import Any


class SourceError(ValueError):
    """A table of figures that cannot be trusted: no source, no number, an unknown key."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure and where it comes from."""

    value: float
    unit: str
    source: str
    """Publication or file with the place in it; ``choice: ...`` where nobody publishes one."""
    note: str = ""


_KEYS = {"value", "unit", "source", "note"}


def read_figures(text: str, where: str) -> tuple[dict[str, Figure], dict[str, str]]:
    """Figures by name, and the texts at the top of the table (name, description).

    Args:
        text: TOML; every table in it is one figure with ``value``, ``unit``, ``source`` and perhaps ``note``.
        where: Name of the table for messages.

    Raises:
        SourceError: with what was got, what is allowed and what to do.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SourceError(f"{where} is no TOML: {error}") from error
    figures: dict[str, Figure] = {}
    texts: dict[str, str] = {}
    for name, entry in document.items():
        if isinstance(entry, str):
            texts[name] = entry
        elif isinstance(entry, dict):
            figures[name] = _figure(entry, f"{where}: {name}")
        else:
            raise SourceError(
                f"{where}: {name} = {entry!r} has no source; write [{name}] with value, unit and source"
            )
    return figures, texts


def _figure(entry: dict[str, Any], where: str) -> Figure:
    if unknown := set(entry) - _KEYS:
        raise SourceError(f"{where} has {', '.join(sorted(unknown))}; allowed are {', '.join(sorted(_KEYS))}")
    for key in ("unit", "source"):
        if not isinstance(entry.get(key), str) or not entry[key].strip():
            raise SourceError(f"{where} has no {key}; say where the number comes from, or 'choice: ' and why")
    value = entry.get("value")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise SourceError(f"{where} has value {value!r}; allowed is a finite number >= 0")
    note = entry.get("note", "")
    if not isinstance(note, str):
        raise SourceError(f"{where} has note {note!r}; allowed is text")
    return Figure(float(value), entry["unit"], entry["source"], note)
