"""SCI (L3) by functional unit, and the footprint of one inference with its break-even count (L4)."""

from __future__ import annotations

from typing import Any

from carbon_data.accounting import break_even_inferences, per_inference_g, sci_g_per_unit
from carbon_data.units import JOULES_PER_KWH
from experiments.report.functional import PER_THOUSAND
from experiments.report.lifecycle.books import UNALLOCATED, Sum
from experiments.report.lifecycle.embodied import Embodied

PUE = 1.0
"""Edge boards are not in a data centre: no overhead beyond their own lines (choice)."""
ONCE = ("preparation", "development", "recycling")
"""Stages that a model goes through once."""


def sci(
    stages: dict[str, Sum], made: Embodied, requests: int, rounds: int, *, missing_fraction: float = 0.0
) -> list[dict[str, Any]]:
    """(L3) for each choice of functional unit R and boundary; a row without R says why it has no score.

    E is all energy of the boundary, I its grams per kWh used with harvested energy at zero, so that E * I is what
    the books hold; M is null where embodied emissions are not given, and the score is then operational alone.
    ``missing_fraction``: share of node-slots without a reading.
    """
    whole = sum(stages.values(), Sum())
    everything = tuple(stages)
    rows = [
        _row("per 1,000 inferences, serving alone", ("application",), stages, made, requests / PER_THOUSAND),
        _row("per 1,000 inferences, the whole run", everything, stages, made, requests / PER_THOUSAND),
        _row("per round of development", ("development",), stages, made, float(rounds)),
        _row("per run", everything, stages, made, 1.0 if whole.energy_j > 0 else 0.0),
    ]
    for row in rows:
        total = sum((stages[stage] for stage in row["boundary"]), Sum())
        known = total.known(has_constants=not made.reason, missing_fraction=missing_fraction)
        row["reading"] = known.as_dict()
    return rows


def _row(
    unit: str, boundary: tuple[str, ...], stages: dict[str, Sum], made: Embodied, units: float
) -> dict[str, Any]:
    total = sum((stages[stage] for stage in boundary), Sum())
    intensity = total.intensity_g_per_kwh
    embodied_g = None if made.reason else sum(made.by_stage.get(stage, 0.0) for stage in boundary)
    row: dict[str, Any] = {
        "functional_unit": unit,
        "boundary": list(boundary),
        "energy_j": total.energy_j,
        "intensity_g_per_kwh": intensity,
        "operational_g": total.operational_g,
        "embodied_g": embodied_g,
        "units": units,
        "operational_g_per_unit": None,
        "sci_g_per_unit": None,
    }
    if units <= 0 or intensity is None:
        row["reason"] = "this run has none of this functional unit"
        return row
    row["operational_g_per_unit"] = sci_g_per_unit(total.energy_j, intensity, 0.0, units)
    if embodied_g is None:
        row["reason"] = f"without M: {made.reason}"
    else:
        row["sci_g_per_unit"] = sci_g_per_unit(total.energy_j, intensity, embodied_g, units)
        if made.unknown:
            row["reason"] = f"M leaves out {made.without}"
    return row


def per_inference(
    stages: dict[str, Sum],
    made: Embodied,
    requests: int,
    lifetime_inferences: float,
    *,
    missing_fraction: float = 0.0,
) -> dict[str, Any]:
    """(L4): footprint of one inference over the model's life, and N*; with harvest as it was, and all from the grid.

    One-time emissions are preparation, development and recycling; idle time stands apart as ``unallocated``.
    Energy and intensity of the application stage include its network and coordinator lines.
    """
    application = stages["application"]
    if requests <= 0 or application.energy_j <= 0:
        return {"value": None, "reason": "no inference was served in this run"}
    joules = application.energy_j / requests
    embodied_g = made.by_stage.get("application", 0.0) / requests if not made.reason else None
    once = sum((stages[stage] for stage in ONCE), Sum())
    compared = application + stages["development"]
    result: dict[str, Any] = {
        "inferences": requests,
        "joules_per_inference": joules,
        "pue": PUE,
        "lifetime_inferences": lifetime_inferences,
        "embodied_g_per_inference": embodied_g,
        "unallocated_g": stages[UNALLOCATED].operational_g,
        # The number of inferences over a model's life is a constant, also where the joules are measured.
        "reading": (application + once)
        .known(has_constants=True, missing_fraction=missing_fraction)
        .as_dict(),
        "break_even_reading": compared.known(missing_fraction=missing_fraction).as_dict(),
    }
    if embodied_g is None:
        result["embodied_reason"] = made.reason
    elif made.unknown:
        result["embodied_reason"] = f"leaves out {made.without}"
    for name, grams in (("as_run", "operational_g"), ("all_from_grid", "all_grid_g")):
        intensity = getattr(application, grams) / application.energy_j * JOULES_PER_KWH
        one_time_g = getattr(once, grams)
        development_g = getattr(stages["development"], grams)
        operational_g = per_inference_g(joules, intensity, one_time_g, lifetime_inferences, pue=PUE)
        result[name] = {
            "intensity_g_per_kwh": intensity,
            "running_g": per_inference_g(joules, intensity, 0.0, 1.0, pue=PUE),
            "one_time_g": one_time_g,
            "operational_footprint_g": operational_g,
            "footprint_g": None if embodied_g is None else operational_g + embodied_g,
            "break_even_inferences": break_even_inferences(development_g, joules, intensity, pue=PUE)
            if intensity > 0
            else None,
        }
    return result
