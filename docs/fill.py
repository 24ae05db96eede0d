"""Result numbers of the pages, written from recorded figures: ``python -m docs.fill [--check]``.

A page marks a place:

    <!-- figures: text with {NAME:path|format} -->
    what stands on the page: the same text with the numbers
    <!-- end of figures -->

NAME is a file in docs/figures that ``python -m benchmarks.record`` wrote. The path goes through its ``found``: keys and
list indices between dots, ``[key=value]`` for the element of a list. ``@date``, ``@machine`` and ``@command`` are the
recording's own. Formats: ``N``, ``percentN`` and ``pointsN`` (100 times, without the sign) with N decimals, ``text``.
``--check`` writes nothing and ends with 1 where a page differs.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FIGURES = ROOT / "docs" / "figures"
PLACE = re.compile(r"<!-- figures: (.*?) -->\n(.*?)<!-- end of figures -->", re.DOTALL)
FIELD = re.compile(r"\{([\w-]+):([^{}|]+)\|(\w+)\}")
STEP = re.compile(r"\[([^\]]*)\]|([^.\[\]]+)")


def value_at(found: Any, path: str) -> Any:
    """What lies at ``path``. Raises LookupError where nothing, or more than one thing, does."""
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


def machine_text(machine: dict[str, Any]) -> str:
    """In words; the load says how many processes wanted a core meanwhile."""
    return (
        f"{machine['cores']} cores ({machine['processor']}), {machine['memory_gib']:.0f} GiB, "
        f"Python {machine['python']}, torch {machine['torch']}, load {machine['load']:.0f} at the start"
    )


def written(value: Any, form: str) -> str:
    """A number, with rounding half to even of Python's format; ``text``: as it stands."""
    if form == "text":
        return str(value)
    kind = re.fullmatch(r"(percent|points)?(\d)", form)
    if kind is None:
        raise ValueError(f"format {form!r}; allowed are N, percentN, pointsN and text")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r} is no number; format it as text")
    number = f"{value * (100 if kind[1] else 1):.{kind[2]}f}"
    return f"{number} %" if kind[1] == "percent" else number


def field(name: str, path: str, form: str, figures: Path = FIGURES) -> str:
    """Text of one ``{NAME:path|format}``."""
    recorded = json.loads((figures / f"{name}.json").read_text(encoding="utf-8"))
    if path == "@machine":
        return machine_text(recorded["machine"])
    if path.startswith("@"):
        return str(recorded[path[1:]])
    return written(value_at(recorded["found"], path), form)


def filled(text: str, figures: Path = FIGURES) -> str:
    """The page with its places written again."""

    def place(found: re.Match[str]) -> str:
        def one(match: re.Match[str]) -> str:
            try:
                return field(match[1], match[2], match[3], figures)
            except (LookupError, ValueError, OSError, TypeError) as error:
                raise ValueError(f"{match[0]}: {error}") from error

        made = FIELD.sub(one, found[1])
        if "{" in made:
            raise ValueError(f"a field is not of the form {{NAME:path|format}}: {made}")
        return f"<!-- figures: {found[1]} -->\n{made}\n<!-- end of figures -->"

    return PLACE.sub(place, text)


def pages() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def main() -> int:
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit("python -m docs.fill [--check]")
    stale = [path for path in pages() if filled(path.read_text("utf-8")) != path.read_text("utf-8")]
    for path in stale:
        sys.stdout.write(f"{path.relative_to(ROOT)}{': run python -m docs.fill' if check else ''}\n")
        if not check:
            path.write_text(filled(path.read_text("utf-8")), encoding="utf-8")
    return 1 if stale and check else 0


if __name__ == "__main__":
    sys.exit(main())
