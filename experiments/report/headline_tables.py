"""The first tables of a report: functional units, and reductions for nodes alone and the whole testbed."""

from __future__ import annotations

from statistics import fmean
from typing import Any

import pandas as pd

from experiments.report import style, units
from experiments.report.baselines import ORIGIN, is_worked_out, there
from experiments.report.boundary import Boundary, shared_text
from experiments.report.functional import LABELS, functional_units
from experiments.report.lifecycle.spread import Stated, factor_of, stated_reduction, unit_spreads
from experiments.report.read import Study
from experiments.report.tables import Column, Table

REPRICED = (
    "Draws rescale booked lines; the decisions are those made with the booked figures. Under another "
    "network factor a policy may decide differently."
)


def unit_means(study: Study, policy: str, boundary: Boundary) -> dict[str, float | None]:
    """Functional units of ``policy``, mean over its seeds; None where a seed lacks the unit."""
    found = [functional_units(run, boundary).as_dict() for run in study.runs[policy].values()]
    means: dict[str, float | None] = {}
    for name in LABELS:
        values = [value for one in found if (value := one[name]) is not None]
        means[name] = fmean(values) if len(values) == len(found) else None
    return means


def functional(study: Study) -> Table:
    """One row per policy and boundary: grams per unit with the central 95 % of the draws."""
    records: list[dict[str, Any]] = []
    texts: list[dict[str, str]] = []
    for policy in study.policies:
        for boundary in reversed(Boundary):
            means, spreads = unit_means(study, policy, boundary), unit_spreads(study, policy, boundary)
            record: dict[str, Any] = {"policy": policy, "counts": boundary.value}
            text = {}
            for name in LABELS:
                mean, spread = means[name], spreads.get(name)
                record[name] = mean
                record[f"{name.removesuffix('_g')}_low_g"] = None if spread is None else spread.low
                record[f"{name.removesuffix('_g')}_high_g"] = None if spread is None else spread.high
                text[f"{name}_text"] = (
                    units.NO_VALUE
                    if mean is None
                    else units.grams(mean)
                    if spread is None
                    else units.grams_range(mean, spread.low, spread.high)
                )
            records.append(record)
            texts.append({**text, "counts_text": boundary.label})
    frame = pd.DataFrame(records)
    made = [name for name in LABELS if frame[name].notna().any()]
    return Table(
        "functional_units",
        "Emissions by functional unit" + (", means over seeds" if len(study.seeds) > 1 else ""),
        frame,
        (
            Column("policy", "policy", style.policy_label, is_number=False),
            Column("counts_text", "counts", is_number=False),
            *(Column(f"{name}_text", LABELS[name], sort=name) for name in made),
        ),
        note=(
            "Per round: development stage; per answer and token: application stage; per hour of the fleet: everything, "
            "over the boards' own time. In brackets the central 95 % of the draws of boards, network factor and "
            f"intensity. {network_text(study)}"
        ),
        shown=pd.concat([frame, pd.DataFrame(texts)], axis=1),
    )


def network_text(study: Study) -> str:
    """The network's factor and its ends, as booked."""
    factor = factor_of(study.any_run)
    if factor is None:
        return "The network's factor is not recorded in these runs: it is drawn like a board's."
    if factor.booked_j_per_byte == 0:
        return "The network is booked without energy."
    booked, low, high = (
        f"{units.trimmed(value * 1e6)}{units.THIN}J/MB"
        for value in (factor.booked_j_per_byte, factor.low_j_per_byte, factor.high_j_per_byte)
    )
    return f"Network: booked at {booked}, drawn log-uniformly from {low} to {high}, one draw for all runs."


def reductions(study: Study) -> Table | None:
    """One row per policy and baseline; None for a run alone, or without a baseline."""
    if not study.is_comparison:
        return None
    rows = []
    for baseline in there(study):
        for policy in study.policies:
            found = {one: stated_reduction(study, policy, baseline, one) for one in Boundary}
            if any(found.values()):
                rows.append((policy, baseline, found))
    if not rows:
        return None
    frame = pd.DataFrame([_record(*row) for row in rows])
    shown = frame.assign(
        **{
            f"{boundary}_text": [reduction_text(found[boundary]) for _, _, found in rows]
            for boundary in Boundary
        }
    )
    return Table(
        "reductions",
        "Reductions, nodes alone and whole testbed",
        frame,
        (
            Column("policy", "policy", style.policy_label, is_number=False),
            Column("baseline", "against", style.policy_label, is_number=False),
            *(
                Column(f"{boundary}_text", boundary.label, sort=f"{boundary}_reduction_fraction")
                for boundary in Boundary
            ),
            Column("seeds", "paired seeds"),
        ),
        note=(
            f"Nodes alone: the part that a policy decides about; whole testbed: with {shared_text(study)}. In "
            "brackets 95 % intervals of boards, network factor, intensity"
            + (" and seeds. " if len(study.seeds) > 1 else "; one seed. ")
            + REPRICED
            + (f" GRID is {ORIGIN}." if is_worked_out(study, "grid") else "")
        ),
        shown=shown,
    )


def reduction_text(value: Stated | None) -> str:
    """``20.1 % [10.2, 24.9]``, or a dash."""
    if value is None:
        return units.NO_VALUE
    return units.reduction_text(value.reduction, value.together.low, value.together.high)


def _record(policy: str, baseline: str, found: dict[Boundary, Stated | None]) -> dict[str, Any]:
    record: dict[str, Any] = {"policy": policy, "baseline": baseline}
    for boundary, value in found.items():
        record["seeds"] = 0 if value is None else value.seeds
        record[f"{boundary}_reduction_fraction"] = None if value is None else value.reduction
        record[f"{boundary}_low_fraction"] = None if value is None else value.together.low
        record[f"{boundary}_high_fraction"] = None if value is None else value.together.high
    return record
