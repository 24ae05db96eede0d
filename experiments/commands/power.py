"""``detabed power``: (T2) fitted to a device's readings, with what the readings leave undetermined and by how much they
are missed.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from edge_node.energy.component_power import COEFFICIENTS, FitError
from edge_node.energy.components import load_profile
from edge_node.energy.sourced import SourceError
from experiments.commands.options import JsonOption
from experiments.commands.output import out, print_json
from experiments.errors import UsageError
from experiments.fitting_table import FittingTable

UNITS = dict(
    zip(
        COEFFICIENTS,
        ("W/(V^2 Hz)", "W/(V^2 Hz)", "W/V", "W/(V^2 Hz)", "W/(V^2 Hz)", "W/V", "1", "W"),
        strict=True,
    )
)
UNDETERMINED = "not determined by these readings"
AT_BOUND = "at its bound: the fit would take it below zero, or to it"


def fit_report(name: str) -> dict[str, Any]:
    """Coefficients, readings with residuals, and components of a packaged profile or a TOML file of one's own.

    A component's watts are null where the readings do not determine them: an arbitrary split is no finding.
    Raises UsageError for a profile that does not exist, or to which nothing can be fitted.
    """
    try:
        profile = load_profile(name)
        model = profile.model()
    except (SourceError, FitError) as error:
        raise UsageError(str(error)) from error
    readings = []
    for reading in profile.readings:
        split = model.power(reading.point)
        known = split.split_identified
        readings.append(
            {
                "name": reading.name,
                "power_w": reading.power_w,
                "model_w": reading.power_w - model.residuals_w[reading.name],
                "residual_w": model.residuals_w[reading.name],
                "above": reading.above is not None,
                "covers": sorted(str(component) for component in reading.covers),
                "computation_w": split.computation_w if known else None,
                "memory_w": split.memory_w if known else None,
                "communication_w": split.communication_w if known else None,
                "source": reading.source,
            }
        )
    return {
        "name": profile.name,
        "description": profile.description,
        "coefficients": [
            {
                "name": each,
                "value": model.coefficients[each] if model.identified[each] else None,
                "unit": UNITS[each],
                "at_bound": model.identified[each] and model.at_bound[each],
                **({} if model.identified[each] else {"reason": UNDETERMINED}),
            }
            for each in COEFFICIENTS
        ],
        "rank": model.rank,
        "rms_residual_w": model.rms_residual_w,
        "largest_residual_w": max(model.residuals_w.values(), key=abs),
        "readings": readings,
    }


def power(
    readings: Annotated[
        str,
        typer.Argument(
            help="A TOML file of readings, or a packaged device: raspberry-pi-4b, rtx-4090-server."
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    found = fit_report(readings)
    if as_json:
        print_json(found)
        return
    table = FittingTable("coefficient", "value", "unit", title=f"{found['name']}: {found['description']}")
    for row in found["coefficients"]:
        value = row["reason"] if row["value"] is None else f"{row['value']:.4g}"
        value += f" ({AT_BOUND})" if row["at_bound"] else ""
        table.add_row(row["name"], value, row["unit"])
    out.print(table)
    table = FittingTable(
        "reading", "power W", "model W", "residual W", "computation W", "memory W", "radio W"
    )
    for row in found["readings"]:
        parts = (row[f"{name}_w"] for name in ("computation", "memory", "communication"))
        table.add_row(
            row["name"] + (" (above its rest)" if row["above"] else ""),
            *(f"{row[name]:.3f}" for name in ("power_w", "model_w", "residual_w")),
            *("?" if part is None else f"{part:.3f}" for part in parts),
        )
    out.print(table)
    out.print(
        f"rms residual {found['rms_residual_w']:.3g} W over {len(found['readings'])} readings, rank {found['rank']} "
        "of 8; ?: the readings do not tell how the total splits"
    )
