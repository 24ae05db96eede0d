"""The sourced factors of the life cycle, and the record of which of them a result used."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from edge_node.energy.sourced import Figure, SourceError, Unknown
from experiments.report.read import Run
from experiments.resolve.factors import OwnFactors, table
from experiments.resolve.made import factors_from

__all__ = ["Factors", "factors_of", "table"]


class Factors:
    """Looks factors up and remembers them, so that a result can name the source of every one it used."""

    def __init__(self, own: OwnFactors | None = None) -> None:
        """``own``: the scenario's, in place of the packaged ones."""
        self._own = own or {}
        self._used: dict[str, Figure] = {}

    def find(self, subject: str, name: str) -> Figure | Unknown | None:
        """The scenario's figure, else the packaged one; None where there is neither."""
        own = self._own.get(subject, {}).get(name)
        return table(subject).get(name) if own is None else own

    def get(self, subject: str, name: str, unit: str) -> float | None:
        """Value in ``unit``; None where there is no published figure: missing, not zero.

        Raises SourceError when the table has the figure in another unit.
        """
        figure = self.find(subject, name)
        if figure is None or isinstance(figure, Unknown):
            return None
        return self.use(subject, name, figure, unit)

    def use(self, subject: str, name: str, figure: Figure, unit: str) -> float:
        """The value of ``figure``, remembered as the factor ``name``. Raises SourceError for another unit."""
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


def factors_of(runs: Iterable[Run]) -> Factors:
    """Factors of runs of one scenario: its own ones go before the packaged ones."""
    first = next(iter(runs), None)
    return Factors(None if first is None else factors_from(first.metadata))
