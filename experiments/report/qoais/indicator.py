"""One indicator of a QoAIS report: a value with its formula and source, or the reason why there is none."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from experiments.report.provenance import COUNTED, Kind, Known


class Dimension(StrEnum):
    """The six dimensions of the survey's Table 3, and carbon, which it lacks."""

    PERFORMANCE = "performance"
    CONNECTION = "connection"
    DATA = "data"
    COMPUTATION = "computation"
    SECURITY = "security"
    ORCHESTRATION = "orchestration"
    CARBON = "carbon"


class Status(StrEnum):
    MEASURED = "measured"
    """Counted, timed or evaluated in the run, or from joules that were all metered."""
    REPLAYED = "replayed"
    """From joules of a recorded trace."""
    MODELLED = "modelled"
    """From counted work and constants."""
    MIXED = "mixed"
    """From joules of several kinds, or from metered joules and constants: ``reading`` says which."""
    STATED = "stated"
    """A property of the set-up, from scenario or metadata, without a measurement."""
    NOT_MEASURED = "not measured"
    """Could be measured, but this run has no data for it."""
    MANUAL = "manual"
    """A person has to judge."""


OF_KIND = {
    Kind.MEASURED: Status.MEASURED,
    Kind.REPLAYED: Status.REPLAYED,
    Kind.MODELLED: Status.MODELLED,
    Kind.MIXED: Status.MIXED,
}
WITH_VALUE = (*OF_KIND.values(), Status.STATED)


@dataclass(frozen=True, slots=True)
class Indicator:
    """``value`` is None exactly for NOT_MEASURED and MANUAL, and ``note`` is then the reason."""

    dimension: Dimension
    table3: str
    """Corresponding indicator of Table 3; for carbon its own name."""
    name: str
    status: Status
    value: float | str | None
    unit: str = ""
    formula: str = ""
    source: str = ""
    """Files of the run folder that it is computed from."""
    note: str = ""
    reading: str = ""
    """Provenance in words; empty where there is no value, or it is stated."""

    def __post_init__(self) -> None:
        has_value = self.status in WITH_VALUE
        if has_value != (self.value is not None):
            raise ValueError(f"{self.name}: status {self.status} with value {self.value!r}")
        if not has_value and not self.note:
            raise ValueError(f"{self.name}: no value and no reason")
        if isinstance(self.value, float) and not math.isfinite(self.value):
            raise ValueError(
                f"{self.name}: value {self.value}; a figure that is not finite is no measurement"
            )

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "dimension": self.dimension.value, "status": self.status.value}


@dataclass(frozen=True, slots=True)
class Row:
    """Builder of the indicators of one line of Table 3, with their common fields."""

    dimension: Dimension
    table3: str

    def known(
        self,
        name: str,
        value: float | str,
        unit: str,
        formula: str,
        source: str,
        known: Known,
        note: str = "",
    ) -> Indicator:
        """A value with the provenance of its inputs. Raises KeyError for a value without inputs."""
        return Indicator(
            self.dimension,
            self.table3,
            name,
            OF_KIND[known.kind],
            value,
            unit,
            formula,
            source,
            note,
            known.text,
        )

    def measured(
        self, name: str, value: float | str, unit: str, formula: str, source: str, note: str = ""
    ) -> Indicator:
        """A value counted, timed or evaluated in the run itself."""
        return self.known(name, value, unit, formula, source, COUNTED, note)

    def stated(self, name: str, value: float | str, source: str, note: str = "") -> Indicator:
        return Indicator(self.dimension, self.table3, name, Status.STATED, value, source=source, note=note)

    def lacking(self, name: str, why: str) -> Indicator:
        return Indicator(self.dimension, self.table3, name, Status.NOT_MEASURED, None, note=why)

    def manual(self, name: str, why: str) -> Indicator:
        return Indicator(self.dimension, self.table3, name, Status.MANUAL, None, note=why)

    def maybe(
        self,
        name: str,
        value: float | None,
        unit: str,
        formula: str,
        source: str,
        why: str,
        note: str = "",
        *,
        known: Known = COUNTED,
    ) -> Indicator:
        """``known`` where ``value`` is given, otherwise not measured with the reason ``why``."""
        if value is None:
            return self.lacking(name, why)
        return self.known(name, float(value), unit, formula, source, known, note)
