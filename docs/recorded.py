"""Recorded figures of docs/figures, and how one value is written.

A recording is a JSON file with ``command``, ``date``, ``machine`` and ``found``; ``python -m benchmarks.record``
writes it. ``machine`` is a table of facts or a sentence. ``note`` is there only where the figures were recorded before
and are not repeated; ``commit`` may then name the code that was measured.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

FIGURES = Path(__file__).parent / "figures"
NOT_REPEATED = "recorded before, not repeated"
STEP = re.compile(r"\[([^\]]*)\]|([^.\[\]]+)")
SMALL = 1e-4
"""Below it ``digitsN`` writes a power of ten."""


def value_at(found: Any, path: str) -> Any:
    """What lies at ``path``: keys and list indices between dots, ``[key=value]`` for the element of a list.

    Raises LookupError where nothing, or more than one thing, lies there.
    """
    for chosen, key in STEP.findall(path):
        if chosen:
            wanted = dict(part.split("=", 1) for part in chosen.split(","))
            fits = [each for each in found if all(str(each[name]) == text for name, text in wanted.items())]
            if len(fits) != 1:
                raise LookupError(f"{path}: {len(fits)} elements have {chosen}")
            (found,) = fits
        else:
            found = found[int(key)] if isinstance(found, list) else found[key]
    return found


def machine_text(machine: dict[str, Any] | str) -> str:
    """In words; the load says how many processes wanted a core meanwhile."""
    if isinstance(machine, str):
        return machine
    return (
        f"{machine['cores']} cores ({machine['processor']}), {machine['memory_gib']:.0f} GiB, "
        f"Python {machine['python']}, torch {machine['torch']}, load {machine['load']:.0f} at the start"
    )


def digits(value: float, count: int) -> str:
    """``count`` significant digits: ``51,000``, ``0.35``, ``5e-14``."""
    if value == 0.0:
        return "0"
    if abs(value) < SMALL:
        mantissa, _, power = f"{value:.{count - 1}e}".partition("e")
        return f"{mantissa}e{int(power)}"
    places = count - 1 - math.floor(math.log10(abs(value)))
    return f"{round(value, places):,.{max(0, places)}f}"


def written(value: Any, form: str) -> str:
    """``value`` in ``form``, with rounding half to even of Python's format.

    ``N``: N decimals. ``percentN`` and ``pointsN``: 100 times, with and without the sign. ``digitsN``: N significant
    digits. ``text``: as it stands. ``met``: "met" or "not met" of a truth value. With ``?`` at its end a form leaves a
    place empty where the value is null. Raises ValueError for another form, and where the value does not fit it.
    """
    if form.endswith("?"):
        return "" if value is None else written(value, form[:-1])
    if form == "text" and isinstance(value, str):
        return value
    if form == "met" and isinstance(value, bool):
        return "met" if value else "not met"
    kind = re.fullmatch(r"(percent|points|digits)?(\d)", form)
    if kind is None:
        raise ValueError(
            f"{value!r} in format {form!r}; allowed are N, percentN, pointsN and digitsN for numbers, text for texts, "
            "met for truth values, and ? after any of them for what may be null"
        )
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r} is no number; format it as text")
    if kind[1] == "digits":
        return digits(value, int(kind[2]))
    number = f"{value * (100 if kind[1] else 1):z.{kind[2]}f}"
    return f"{number} %" if kind[1] == "percent" else number


def recording(name: str, figures: Path = FIGURES) -> dict[str, Any]:
    """The file ``figures``/NAME.json. Raises OSError where there is none."""
    return dict(json.loads((figures / f"{name}.json").read_text(encoding="utf-8")))


def lying_at(name: str, path: str, figures: Path = FIGURES) -> Any:
    """What lies at ``path`` of a recording's ``found``, or of the recording itself after ``@``."""
    recorded = recording(name, figures)
    if path == "@machine":
        return machine_text(recorded["machine"])
    return recorded[path[1:]] if path.startswith("@") else value_at(recorded["found"], path)
