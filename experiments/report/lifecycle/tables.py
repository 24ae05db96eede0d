"""The life cycle as tables of the report page: functional units, columns, uncertainty, and every factor's source."""

from __future__ import annotations

from statistics import fmean
from typing import Any

import pandas as pd

from experiments.report import style, units
from experiments.report.boundary import Boundary
from experiments.report.lifecycle.report import lifecycle_of_study
from experiments.report.read import Study
from experiments.report.tables import Column, Table
from experiments.wording import few

COLUMNS = ("location_based_average", "market_based", "marginal", "harvest_life_cycle")


def lifecycle_tables(study: Study) -> list[Table]:
    """Tables for the report, their names beginning with ``lifecycle_``."""
    found = lifecycle_of_study(study)
    runs = found["runs"] if study.is_comparison else [found]
    focus = next(r for r in runs if (r["policy"], r["seed"]) == (study.any_run.policy, study.any_run.seed))
    tables = [_columns(runs), _devices(focus), _stages(focus), _sci(focus), _inference(focus)]
    if study.is_comparison and found["reductions"]:
        tables.append(_uncertainty(found["reductions"], found["errors"]))
    return [*tables, _factors([*runs, found])]


def _with_text(frame: pd.DataFrame) -> pd.DataFrame:
    """``frame`` with its readings in words."""
    return frame.assign(reading=[reading["text"] for reading in frame["reading"]])


def _title(run: dict[str, Any]) -> str:
    return f"{style.policy_label(run['policy'])}, seed {run['seed']}"


def _columns(runs: list[dict[str, Any]]) -> Table:
    """Mean over seeds of each way of counting; null where any seed lacks it."""
    records: list[dict[str, Any]] = []
    reasons: dict[str, None] = {}
    for policy in dict.fromkeys(run["policy"] for run in runs):
        record: dict[str, Any] = {"policy": policy}
        own = [run for run in runs if run["policy"] == policy]
        for name in (*COLUMNS, "embodied"):
            entries = [run["embodied"] if name == "embodied" else run["columns"][name] for run in own]
            values = [entry["value"] for entry in entries]
            record[f"{name}_g"] = None if any(value is None for value in values) else fmean(values)
            reasons.update(
                {
                    f"{name.replace('_', ' ')}: {entry['reason']}": None
                    for entry in entries
                    if "reason" in entry
                }
            )
        record["embodied_unknown_nodes"] = len(own[0]["embodied"]["unknown"])
        record["reading"] = "; ".join(dict.fromkeys(run["reading"]["text"] for run in own))
        records.append(record)
    frame = pd.DataFrame(records)
    made = [
        units.grams(grams) + (f" without {count} of its nodes" if count and grams is not None else "")
        for grams, count in zip(frame["embodied_g"], frame["embodied_unknown_nodes"], strict=True)
    ]
    return Table(
        "lifecycle_columns",
        "The same energy in other accounting methods: separate columns, never added (mean over seeds)",
        frame,
        (
            Column("policy", "policy", style.policy_label, is_number=False),
            Column("location_based_average_g", "location-based, average", units.grams),
            Column("market_based_g", "market-based", units.grams),
            Column("marginal_g", "marginal", units.grams),
            Column("embodied_text", "embodied", sort="embodied_g"),
            Column("harvest_life_cycle_g", "harvest’s life cycle", units.grams),
            Column("reading", "reading", is_number=False),
        ),
        note=" ".join(
            [
                "Average intensity is for inventory, marginal for the effect of shifting load. Reading: of the "
                "joules; embodied emissions and the harvest's life cycle are modelled.",
                *(f"Not given: {reason}." for reason in reasons),
                *_leaves_out(runs[0]),
                runs[0]["embodied"]["left_out"],
            ]
        ),
        shown=frame.assign(embodied_text=made),
    )


def _leaves_out(run: dict[str, Any]) -> list[str]:
    """A sentence on nodes whose embodied emissions are not known; none where all are known, or none."""
    found = run["embodied"]
    return (
        []
        if "reason" in found or not found["unknown"]
        else [f"Embodied emissions leave out {found['without']}."]
    )


def _devices(run: dict[str, Any]) -> Table:
    """Embodied emissions by device: equal ones in a row, and a row for those that are not known."""
    found = run["embodied"]
    rows: dict[tuple[Any, ...], list[str]] = {}
    for one in found["devices"]:
        key = (one["device"], one["embodied_g"], one["life_s"], one["share_g"], "")
        rows.setdefault(key, []).append(one["owner"])
    for owner, why in found["unknown"].items():
        rows.setdefault(("unknown", None, None, None, why), []).append(owner)
    columns = ("device", "embodied_g", "life_s", "share_g", "why_unknown")
    frame = pd.DataFrame(
        [
            {"held_by": few(owners), "devices": len(owners), **dict(zip(columns, key, strict=True))}
            for key, owners in rows.items()
        ],
        columns=["held_by", "devices", *columns],
    )
    return Table(
        "lifecycle_devices",
        f"Embodied emissions by device: {_title(run)}",
        frame,
        (
            Column("held_by", "held by", is_number=False),
            Column("devices", "devices"),
            Column("device", "device", is_number=False),
            Column("embodied_g", "making one", units.grams),
            Column("share_g", "this run's share of one", units.grams),
            Column("why_unknown", "why unknown", is_number=False),
        ),
        note="A node with an unknown factor is left out of every sum of embodied emissions, and is never zero.",
    )


def _stages(run: dict[str, Any]) -> Table:
    return Table(
        "lifecycle_stages",
        f"Stages with embodied emissions as a second column: {_title(run)}",
        _with_text(pd.DataFrame(run["stages"])),
        (
            Column("stage", "stage", is_number=False),
            Column("energy_j", "energy", units.joules),
            Column("grid_j", "from grid", units.joules),
            Column("operational_g", "operational", units.grams),
            Column("embodied_g", "embodied", units.grams),
            Column("reading", "reading of the joules", is_number=False),
        ),
        note=" ".join(
            [
                "Network, coordinator and router count to the stage they served; embodied emissions follow time.",
                *_leaves_out(run),
            ]
        ),
    )


def _sci(run: dict[str, Any]) -> Table:
    frame = _with_text(pd.DataFrame(run["sci"]).drop(columns="boundary"))
    return Table(
        "lifecycle_sci",
        f"Software carbon intensity (L3), SCI = (E · I + M) / R: {_title(run)}",
        frame,
        (
            Column("functional_unit", "functional unit R", is_number=False),
            Column("energy_j", "E", units.joules),
            Column("intensity_g_per_kwh", "I, g/kWh used", units.number),
            Column("embodied_g", "M", units.grams),
            Column("units", "R", units.number),
            Column("operational_g_per_unit", "without M", units.grams),
            Column("sci_g_per_unit", "SCI", units.grams),
            Column("reading", "reading", is_number=False),
        ),
        note=" ".join(_leaves_out(run)),
    )


def _inference(run: dict[str, Any]) -> Table:
    found = run["per_inference"]
    records = [
        {"case": case, "joules_per_inference": found["joules_per_inference"], **found[key]}
        for key, case in (
            ("as_run", "as run, harvested energy at zero"),
            ("all_from_grid", "all from the grid"),
        )
        if key in found
    ]
    keys = (
        "case joules_per_inference intensity_g_per_kwh running_g operational_footprint_g footprint_g "
        "break_even_inferences"
    ).split()
    note = (
        f"N_life = {found['lifetime_inferences']:,.0f} inferences (accounting.lifetime_inferences). "
        f"Footprint: {found['reading']['text']}; N*: {found['break_even_reading']['text']}."
        + "".join(f" {text}" for text in _leaves_out(run))
        if records
        else f"Not given: {found['reason']}."
    )
    return Table(
        "lifecycle_inference",
        f"Footprint of one inference and break-even count N* (L4): {_title(run)}",
        pd.DataFrame(records, columns=keys),
        (
            Column("case", "case", is_number=False),
            Column("joules_per_inference", "energy", units.joules),
            Column("intensity_g_per_kwh", "g/kWh used", units.number),
            Column("running_g", "serving it", units.grams),
            Column("operational_footprint_g", "with its share of one-time emissions", units.grams),
            Column("footprint_g", "and embodied", units.grams),
            Column("break_even_inferences", "N*", units.count),
        ),
        note=note,
    )


def _uncertainty(rows: list[dict[str, Any]], errors: dict[str, Any]) -> Table:
    records = []
    for row in rows:
        record = {key: row[key] for key in ("policy", "baseline", "boundary", "seeds", "reduction")}
        record["counts"] = Boundary(row["boundary"]).label
        for name in ("readings", "seeds_interval", "together"):
            for bound in ("low", "high"):
                record[f"{name}_{bound}"] = None if row[name] is None else row[name][bound]
            record[name] = (
                units.NO_VALUE
                if row[name] is None
                else f"{units.percent(row[name]['low'])} to {units.percent(row[name]['high'])}"
            )
        records.append(record)
    frame = pd.DataFrame(records)
    first = rows[0]
    return Table(
        "lifecycle_uncertainty",
        "Uncertainty of the reductions: 95 % intervals",
        frame.drop(columns=["readings", "seeds_interval", "together", "counts"]),
        (
            Column("policy", "policy", style.policy_label, is_number=False),
            Column("baseline", "against", style.policy_label, is_number=False),
            Column("counts", "counts", is_number=False),
            Column("seeds", "paired seeds"),
            Column("reduction", "reduction", units.percent),
            Column("readings", "from readings", sort="readings_low"),
            Column("seeds_interval", "from seeds", sort="seeds_interval_low"),
            Column("together", "both", sort="together_low"),
        ),
        note=(
            f"From readings: {first['draws']:,} paired Monte-Carlo draws, each of them one world for all runs (boards' "
            f"gain {units.percent(errors['gain_std_fraction'])}, intensity "
            f"{units.percent(errors['intensity_std_fraction'])}, the network's factor "
            "log-uniform between its ends); from seeds: Student's t over paired seeds; both: the "
            "mean over seeds moved by Student's t in every draw."
        ),
        shown=frame,
    )


def _factors(holders: list[dict[str, Any]]) -> Table:
    used = {entry["factor"]: entry for holder in holders for entry in holder["factors"]}
    frame = pd.DataFrame(
        [used[name] for name in sorted(used)], columns=["factor", "value", "unit", "source", "note"]
    )
    return Table(
        "lifecycle_factors",
        "Factors of the life cycle, each with its source",
        frame,
        (
            Column("factor", "factor", is_number=False),
            Column("value", "value", units.number),
            Column("unit", "unit", is_number=False),
            Column("source", "source", is_number=False),
            Column("note", "note", is_number=False),
        ),
    )
