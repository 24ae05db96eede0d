"""Tables of published figures in TOML: a number without a source does not load."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any


class SourceError(ValueError):
    """A table of figures that is refused: no source, no number, an unknown key."""


@dataclass(frozen=True, slots=True)
class Range:
    """Ends between which sources put a figure, in its unit."""

    low: float
    high: float
    low_source: str
    high_source: str


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure and where it comes from."""

    value: float
    unit: str
    source: str
    """Publication or file with the place in it; ``choice: ...`` where none is published."""
    note: str = ""
    range: Range | None = None
    """None where no source gives ends."""


_RANGE_KEYS = ("low", "high", "low_source", "high_source")
_KEYS = {"value", "unit", "source", "note", *_RANGE_KEYS}


def read_figures(text: str, where: str) -> tuple[dict[str, Figure], dict[str, str]]:
    """Figures by name, and the texts at the top of the table (name, description).

    Args:
        text: TOML; every table in it is one figure with ``value``, ``unit``, ``source`` and perhaps ``note``, and
            perhaps the ends of its range, ``low``, ``high``, ``low_source``, ``high_source``.
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


def exact_figures(
    text: str, where: str, names: Iterable[str], unit_of: Callable[[str], str]
) -> dict[str, Figure]:
    """As ``read_figures``: exactly the figures ``names``, each in its unit. Raises SourceError."""
    figures, _ = read_figures(text, where)
    if figures.keys() != (wanted := set(names)):
        missing, extra = sorted(wanted - figures.keys()), sorted(figures.keys() - wanted)
        raise SourceError(f"{where} lacks {missing} and has unknown {extra}")
    for name, figure in figures.items():
        if figure.unit != (unit := unit_of(name)):
            raise SourceError(f"{where}: {name} is in {figure.unit}; allowed is {unit}")
    return figures


def _figure(entry: dict[str, Any], where: str) -> Figure:
    if unknown := set(entry) - _KEYS:
        raise SourceError(f"{where} has {', '.join(sorted(unknown))}; allowed are {', '.join(sorted(_KEYS))}")
    for key in ("unit", "source"):
        if not isinstance(entry.get(key), str) or not entry[key].strip():
            raise SourceError(f"{where} has no {key}; say where the number comes from, or 'choice: ' and why")
    value = _number(entry, "value", where)
    note = entry.get("note", "")
    if not isinstance(note, str):
        raise SourceError(f"{where} has note {note!r}; allowed is text")
    return Figure(value, entry["unit"], entry["source"], note, _range(entry, value, where))


def _number(entry: dict[str, Any], key: str, where: str) -> float:
    value = entry.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise SourceError(f"{where} has {key} {value!r}; allowed is a finite number >= 0")
    return float(value)


def _range(entry: dict[str, Any], value: float, where: str) -> Range | None:
    """The figure's ends: all four keys or none, the value between them."""
    lacking = [key for key in _RANGE_KEYS if key not in entry]
    if len(lacking) == len(_RANGE_KEYS):
        return None
    if lacking:
        raise SourceError(f"{where} has no {', '.join(lacking)}; give both ends with their sources, or none")
    for key in ("low_source", "high_source"):
        if not isinstance(entry[key], str) or not entry[key].strip():
            raise SourceError(f"{where} has no {key}; say where the end comes from")
    low, high = _number(entry, "low", where), _number(entry, "high", where)
    if not 0 < low <= value <= high:
        raise SourceError(
            f"{where} has value {value:g} and ends {low:g} and {high:g}; allowed is 0 < low <= value <= high"
        )
    return Range(low, high, entry["low_source"], entry["high_source"])
