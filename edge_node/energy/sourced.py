"""Tables of published figures in TOML: a number without a source does not load; a figure may say that it is unknown."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carbon_data.utf8 import not_utf8

MAX_FILE_BYTES = 1_000_000
"""A table of figures has a page or two."""


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


@dataclass(frozen=True, slots=True)
class Unknown:
    """A figure for which no source was found: ``value = "unknown"``. It is missing, and never zero."""

    unit: str
    why: str
    """Where it was looked for, or what is known instead."""


UNKNOWN = "unknown"
"""What a table has for a value that nobody published."""
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
    figures, unknown, texts = read_known(text, where)
    if unknown:
        raise SourceError(f"{where}: {next(iter(unknown))} is unknown; here every figure needs a value")
    return figures, texts


def read_known(text: str, where: str) -> tuple[dict[str, Figure], dict[str, Unknown], dict[str, str]]:
    """As ``read_figures``, where figures may be unknown: known figures, unknown ones, and texts."""
    return figures_of(parsed(text, where), where)


def parsed(text: str, where: str) -> dict[str, Any]:
    """The TOML document. Raises SourceError."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{where} is no TOML: {error}") from error


def read_text(path: Path, where: str, like: str) -> str:
    """A user's table. ``like``: what is allowed, for the message. Raises SourceError."""
    try:
        if not path.exists():
            raise SourceError(f"there is no file {path}; allowed are {like}")
        if not path.is_file():
            raise SourceError(f"{path} is a folder or a device, not a file; allowed are {like}")
        if (size := path.stat().st_size) > MAX_FILE_BYTES:
            raise SourceError(f"{path} has {size} bytes; {where} has at most {MAX_FILE_BYTES}")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SourceError(f"{path} {not_utf8(error)}") from error
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error}") from error


def figures_of(
    document: dict[str, Any], where: str
) -> tuple[dict[str, Figure], dict[str, Unknown], dict[str, str]]:
    """Known figures, unknown ones, and texts of a table. Raises SourceError."""
    figures: dict[str, Figure] = {}
    unknown: dict[str, Unknown] = {}
    texts: dict[str, str] = {}
    for name, entry in document.items():
        if isinstance(entry, str):
            texts[name] = entry
        elif not isinstance(entry, dict):
            raise SourceError(
                f"{where}: {name} = {entry!r} has no source; write [{name}] with value, unit and source"
            )
        elif entry.get("value") == UNKNOWN:
            unknown[name] = _unknown(entry, f"{where}: {name}")
        else:
            figures[name] = _figure(entry, f"{where}: {name}")
    return figures, unknown, texts


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


def _unknown(entry: dict[str, Any], where: str) -> Unknown:
    _check_entry(entry, where)
    if more := set(entry) & set(_RANGE_KEYS):
        raise SourceError(
            f"{where} is unknown and has {', '.join(sorted(more))}; an unknown figure has no range"
        )
    return Unknown(entry["unit"], entry["source"])


def _check_entry(entry: dict[str, Any], where: str) -> None:
    """Raises SourceError for other keys than a figure's, no unit or no source."""
    if unknown := set(entry) - _KEYS:
        raise SourceError(f"{where} has {', '.join(sorted(unknown))}; allowed are {', '.join(sorted(_KEYS))}")
    for key, say in (
        ("unit", 'write it as text, e.g. unit = "W"'),
        ("source", "say where the number comes from, or 'choice: ' and why"),
    ):
        if not isinstance(entry.get(key), str) or not entry[key].strip():
            raise SourceError(f"{where} has no {key}; {say}")


def _figure(entry: dict[str, Any], where: str) -> Figure:
    _check_entry(entry, where)
    value = _number(entry, "value", where)
    note = entry.get("note", "")
    if not isinstance(note, str):
        raise SourceError(f"{where} has note {note!r}; allowed is text")
    return Figure(value, entry["unit"], entry["source"], note, _range(entry, value, where))


def _number(entry: dict[str, Any], key: str, where: str) -> float:
    value = entry.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise SourceError(f'{where} has {key} {value!r}; allowed is a finite number >= 0, or "{UNKNOWN}"')
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
