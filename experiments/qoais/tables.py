"""QoAIS as a table of the report page and of the terminal."""

from __future__ import annotations

from typing import Any

import pandas as pd

from experiments.qoais.indicator import Indicator
from experiments.qoais.report import indicators, readings
from experiments.report import style, units
from experiments.report.read import Study
from experiments.report.tables import Column, Table


def shown_value(one: Indicator) -> str:
    """Value with its unit as a person reads it; a dash where there is none."""
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


def qoais_table(study: Study) -> Table:
    """Every indicator of the policy in focus, first seed; boundaries over its seeds."""
    run = study.any_run
    found = indicators(study, run)
    frame = pd.DataFrame([one.as_dict() for one in found])
    shown = frame.assign(
        value=[shown_value(one) for one in found],
        how=[_how(one) for one in found],
        what=[one.note or one.formula if one.value is None else one.formula for one in found],
    )
    known = ", ".join(f"{units.percent(share)} {name}" for name, share in readings(run).items())
    return Table(
        "qoais",
        f"QoAIS indicators of {style.policy_label(run.policy)}, seed {run.seed}",
        frame,
        (
            Column("dimension", "dimension", is_number=False),
            Column("table3", "indicator of Table 3", is_number=False),
            Column("name", "measured as", is_number=False),
            Column("value", "value", is_number=True),
            Column("how", "from", is_number=False),
            Column("what", "formula, or why there is no value", is_number=False),
        ),
        note=(
            "Measured: computed from what the run left; stated: a property of the set-up; manual: a person has to "
            f"judge. Energies and board times are as well known as their readings: {known} of the energy."
        ),
        shown=shown,
    )


def _how(one: Indicator) -> str:
    return f"{one.status.value}: {one.source}" if one.source else one.status.value


def terminal_rows(policy: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """Dimension, indicator, value and formula or reason, of one policy of ``qoais_of``."""
    from experiments.qoais.indicator import Dimension, Status

    rows = []
    for entry in policy["indicators"]:
        one = Indicator(
            **{**entry, "dimension": Dimension(entry["dimension"]), "status": Status(entry["status"])}
        )
        value = shown_value(one) if one.value is not None else one.status.value
        rows.append(
            (one.dimension.value, one.name, value, one.formula if one.value is not None else one.note)
        )
    return rows
