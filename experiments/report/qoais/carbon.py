"""Carbon: the seventh dimension, which the survey's table lacks."""

from __future__ import annotations

from typing import Any

from experiments.report.baselines import BASELINES, ORIGIN, is_worked_out
from experiments.report.boundary import Boundary
from experiments.report.lifecycle import lifecycle_of_run
from experiments.report.lifecycle.spread import stated_reduction
from experiments.report.measures import totals
from experiments.report.provenance import CONSTANT, Known, known_of, known_of_reduction
from experiments.report.qoais.evidence import Evidence
from experiments.report.qoais.indicator import Dimension, Indicator, Row
from experiments.report.qoais.performance import TARGET_FRACTION
from experiments.report.read import Study


def carbon(evidence: Evidence, study: Study) -> list[Indicator]:
    """Emissions of the run by (L1), (L3), (L4), and the policy's reduction where a baseline was run beside it."""
    run = evidence.run
    life = lifecycle_of_run(run)
    one = totals(run)
    spread = life["operational_spread"]
    emissions = Row(Dimension.CARBON, "emissions")
    books = "lines.parquet"
    rounds = run.tables["rounds"].query("stage == 'development'")
    reached = rounds[rounds["test_accuracy"] >= TARGET_FRACTION]
    return [
        emissions.known(
            "operational emissions",
            life["operational_g"],
            "g",
            "(L1): sum of grid energy times intensity; scope 2, location-based",
            books,
            known_of(run),
            "" if spread is None else f"95 % of draws between {spread['low']:.3g} and {spread['high']:.3g} g",
        ),
        emissions.maybe(
            "embodied emissions",
            life["embodied"]["value"],
            "g",
            "(L3) M: TE * time reserved / expected life * share",
            "scenario.toml, carbon_data/factors",
            life["embodied"].get("reason", ""),
            "a column of its own" + _without(life),
            known=CONSTANT,
        ),
        emissions.maybe(
            f"emissions to {TARGET_FRACTION:.0%} accuracy",
            None if reached.empty else float(reached["cumulative_g"].iloc[0]),
            "g",
            "cumulative_g of the first round that reaches it",
            "rounds.parquet",
            "the target was not reached in this run",
            known=known_of(run),
        ),
        *_sci(life),
        *_inference(life),
        Row(Dimension.CARBON, "harvest").maybe(
            "share of harvested energy",
            one.green_j / one.energy_j if one.energy_j > 0 else None,
            "fraction",
            "green energy used / all energy",
            "slots.parquet, lines.parquet",
            "the run used no energy",
            # Harvest comes from a model of panels or from a trace: no meter counts it.
            known=known_of(run, has_constants=True),
        ),
        *_reductions(study, run.policy),
    ]


def _without(life: dict[str, Any]) -> str:
    """Whose embodied emissions are left out."""
    made = life["embodied"]
    return (
        f"; embodied emissions leave out {made['without']}"
        if made["without"] and "reason" not in made
        else ""
    )


def _sci(life: dict[str, Any]) -> list[Indicator]:
    row = Row(Dimension.CARBON, "software carbon intensity")
    return [
        row.maybe(
            f"SCI {line['functional_unit']}",
            line["sci_g_per_unit"],
            "g",
            "(L3): (E * I + M) / R",
            "lines.parquet, carbon_data/factors",
            line.get("reason", ""),
            _without(life).removeprefix("; "),
            known=Known.from_dict(line["reading"]),
        )
        for line in life["sci"]
    ]


def _inference(life: dict[str, Any]) -> list[Indicator]:
    row, found = Row(Dimension.CARBON, "inference"), life["per_inference"]
    if "as_run" not in found:
        return [row.lacking("footprint of an inference", found["reason"])]
    own = found["as_run"]
    return [
        row.maybe(
            "footprint of an inference",
            own["footprint_g"],
            "g",
            "(L4): PUE e_inf c + (C_prep + C_dev + C_rec) / N_life + M_inf",
            "lines.parquet, carbon_data/factors",
            found.get("embodied_reason", ""),
            f"N_life = {found['lifetime_inferences']:g}" + _without(life),
            known=Known.from_dict(found["reading"]),
        ),
        row.maybe(
            "break-even count",
            own["break_even_inferences"],
            "inferences",
            "(L4): N* = C_dev / (PUE e_inf c)",
            "lines.parquet",
            "serving emitted nothing, so it never breaks even",
            known=Known.from_dict(found["break_even_reading"]),
        ),
    ]


def _reductions(study: Study, policy: str) -> list[Indicator]:
    """Against each baseline for the whole testbed, and for nodes alone."""
    row = Row(Dimension.CARBON, "reduction")
    found = []
    for baseline in BASELINES:
        for boundary in reversed(Boundary) if baseline != policy else ():
            value = stated_reduction(study, policy, baseline, boundary)
            notes = [] if value is None else [f"95 % {value.together.low:.3f} to {value.together.high:.3f}"]
            if is_worked_out(study, baseline):
                notes.append(f"GRID {ORIGIN}")
            alone = ", nodes alone" if boundary is Boundary.NODES else ""
            found.append(
                row.maybe(
                    f"reduction against {baseline.upper()}{alone}",
                    None if value is None else value.reduction,
                    "fraction",
                    "mean over paired seeds of 1 - C / C_baseline",
                    "lines.parquet of both runs",
                    f"{baseline.upper()} was not run beside it with these seeds",
                    "; ".join(notes),
                    known=known_of_reduction(study, policy, baseline),
                )
            )
    return found
