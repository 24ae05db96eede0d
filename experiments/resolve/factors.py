"""Factors of the life cycle: the packaged tables, and a user's own file that replaces figures of theirs.

A file of one's own has a table ``[SUBJECT.NAME]`` for each figure, e.g. ``[embodied.device-life]``, with value, unit
and source. ``[embodied.BOARD]`` (g) and ``[embodied.BOARD-std]`` (fraction) say what making a packaged board emitted.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path

from edge_node.energy.boards import board_names
from edge_node.energy.sourced import Figure, SourceError, Unknown, figures_of, parsed, read_figures, read_text

OwnFactors = dict[str, dict[str, Figure | Unknown]]
"""Subject -> name -> figure."""
SUBJECTS = ("embodied", "harvest", "uncertainty")
MAY_BE_UNKNOWN = ("embodied", "harvest")
DIVISORS = ("device-life", "battery-life")


@cache
def table(name: str) -> dict[str, Figure]:
    """Figures of ``carbon_data/factors/NAME.toml``."""
    path = resources.files("carbon_data.factors") / f"{name}.toml"
    figures, _ = read_figures(path.read_text(encoding="utf-8"), f"factors/{name}.toml")
    return figures


def unit_of(subject: str, name: str) -> str | None:
    """Unit of a factor; None where there is none of this name."""
    if (figure := table(subject).get(name)) is not None:
        return figure.unit
    if subject == "embodied" and name in board_names():
        return "g"
    return "fraction" if subject == "embodied" and name.removesuffix("-std") in board_names() else None


def own_factors(path: Path) -> OwnFactors:
    """Factors of a user's file.

    Raises:
        SourceError: no such file, or a factor that is not known, has no source, another unit or an impossible value.
    """
    where = f"factors {path}"
    text = read_text(path, "a file of factors", "TOML files with tables like [embodied.device-life]")
    found: OwnFactors = {}
    for subject, entries in parsed(text, where).items():
        if isinstance(entries, str) and subject in ("name", "description"):
            continue
        if subject not in SUBJECTS or not isinstance(entries, dict):
            raise SourceError(
                f"{where} has {subject!r}; allowed are tables [SUBJECT.NAME] whose subject is {', '.join(SUBJECTS)}"
            )
        figures, unknown, texts = figures_of(entries, f"{where}: {subject}")
        if texts:
            raise SourceError(
                f"{where}: {subject}.{next(iter(texts))} is text; write a table with value, unit, source"
            )
        found[subject] = {**figures, **unknown}
        for name, figure in found[subject].items():
            _check(subject, name, figure, f"{where}: {subject}.{name}")
    return found


def _check(subject: str, name: str, figure: Figure | Unknown, where: str) -> None:
    unit = unit_of(subject, name)
    if unit is None:
        more = ", or a board of `detabed list boards`" if subject == "embodied" else ""
        raise SourceError(f"{where} is no factor; {subject} has {', '.join(table(subject))}{more}")
    if figure.unit != unit:
        raise SourceError(f"{where} is in {figure.unit}; allowed is {unit}")
    if isinstance(figure, Unknown):
        if subject not in MAY_BE_UNKNOWN:
            raise SourceError(f"{where} is unknown; intervals are drawn from it, so it needs a value")
    elif name in DIVISORS and figure.value == 0:
        raise SourceError(f"{where} is 0; a device serves longer than that")
