"""The sourced factors of the life cycle, and the record of which of them a result used."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

from edge_node.energy.sourced import Figure, SourceError, read_figures


@cache
def table(name: str) -> dict[str, Figure]:
    """Figures of ``carbon_data/factors/NAME.toml``."""
    path = resources.files("carbon_data.factors") / f"{name}.toml"
    figures, _ = read_figures(path.read_text(encoding="utf-8"), f"factors/{name}.toml")
    return figures


class Factors:
    """Looks factors up and remembers them, so that a result can name the source of every one it used."""

    def __init__(self) -> None:
        self._used: dict[str, Figure] = {}

    def get(self, subject: str, name: str, unit: str) -> float | None:
        """Value in ``unit``; None where there is no published figure: missing, not zero.

        Raises SourceError when the table has the figure in another unit.
        """
        figure = table(subject).get(name)
        if figure is None:
            return None
        if figure.unit != unit:
            raise SourceError(f"factors/{subject}.toml: {name} is in {figure.unit}; needed is {unit}")
        self._used[f"{subject}: {name}"] = figure
        return figure.value

    def need(self, subject: str, name: str, unit: str) -> float:
        """As ``get``. Raises SourceError when the table lacks the figure."""
        value = self.get(subject, name, unit)
        if value is None:
            raise SourceError(
                f"factors/{subject}.toml has no figure {name!r}; it has {', '.join(table(subject))}"
            )
        return value

    def used(self) -> list[dict[str, Any]]:
        """Name, value, unit, source and note of every factor looked up."""
        return [
            {
                "factor": name,
                "value": figure.value,
                "unit": figure.unit,
                "source": figure.source,
                "note": figure.note,
            }
            for name, figure in sorted(self._used.items())
        ]
