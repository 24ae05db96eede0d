"""QoAIS as a table of the report page and of the terminal."""

from __future__ import annotations

from typing import Any

import pandas as pd

from experiments.report import style, units
from experiments.report.qoais.indicator import Dimension, Indicator, Status
from experiments.report.qoais.report import indicators, readings
from experiments.report.read import Run, Study
from experiments.report.tables import Column, Table


def shown_value(one: Indicator) -> str:
    """Value with its unit, formatted; a dash where there is none."""
    value = one.value
    if value is None or isinstance(value, str):
        return units.NO_VALUE if value is None else value
    if one.unit == "fraction":
        return units.percent(value)
    if one.unit == "g":
        return units.grams(value)
    if one.unit == "byte":
        return units.data_bytes(value)
    text = units.number(value)
    return f"{text}{units.THIN}{one.unit}" if one.unit else text


def qoais_tables(study: Study) -> list[Table]:
    """A table a dimension, named ``qoais_DIMENSION``: policy in focus, first seed; boundaries over its seeds."""
    run = study.any_run
    found = indicators(study, run)
    known = ", ".join(f"{units.percent(share)} {name}" for name, share in readings(run).items())
    note = (
        "Measured: counted, timed or evaluated in the run, or of joules that were all metered. Modelled: from counted "
        f"work and constants. Joules of this run: {known}. Manual: a person has to judge. Sources and notes of every "
        "figure are in the CSV."
    )
    return [
        _table([one for one in found if one.dimension is dimension], dimension, run, note)
        for dimension in Dimension
    ]


def _table(found: list[Indicator], dimension: Dimension, run: Run, note: str) -> Table:
    frame = pd.DataFrame([one.as_dict() for one in found])
    shown = frame.assign(
        value=[shown_value(one) for one in found],
        how=[_how(one) for one in found],
        known=[one.reading or one.status.value for one in found],
    )
    return Table(
        f"qoais_{dimension.value}",
        f"{dimension.value.capitalize()}: {style.policy_label(run.policy)}, seed {run.seed}",
        frame,
        (
            Column(
                "table3", "of" if dimension is Dimension.CARBON else "indicator of Table 3", is_number=False
            ),
            Column("name", "figure", is_number=False),
            Column("value", "value"),
            Column("known", "reading", is_number=False),
            Column("how", "formula, or reason for no value", is_number=False),
        ),
        note=note if dimension is list(Dimension)[-1] else "",
        shown=shown,
    )


def _how(one: Indicator) -> str:
    """Formula; for a stated property that it was not measured; else the reason why there is no value."""
    if one.value is None:
        return one.note
    return one.formula or f"{one.status.value} by {one.source}"


def terminal_rows(policy: dict[str, Any]) -> list[tuple[str, str, str, str, str]]:
    """Dimension, indicator, value, reading and formula or reason, of one policy of ``qoais_of``."""
    rows = []
    for entry in policy["indicators"]:
        one = Indicator(
            **{**entry, "dimension": Dimension(entry["dimension"]), "status": Status(entry["status"])}
        )
        how = one.formula if one.value is not None else one.note
        rows.append((one.dimension.value, one.name, shown_value(one), one.reading or one.status.value, how))
    return rows
