"""The life cycle of a run or comparison as plain data, for JSON and for the report page."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from experiments.report.lifecycle.books import Sum, by_stage, requests, rounds
from experiments.report.lifecycle.columns import harvest_life_cycle, marginal, market_based
from experiments.report.lifecycle.embodied import LEFT_OUT, embodied
from experiments.report.lifecycle.factors import factors_of
from experiments.report.lifecycle.footprint import per_inference, sci
from experiments.report.lifecycle.setting import setting_of
from experiments.report.lifecycle.spread import error_model, network_json, reductions_json, total_spread
from experiments.report.lifecycle.tornado import tornado
from experiments.report.provenance import CONSTANT, missing_fraction
from experiments.report.read import Run, Study, load


def lifecycle_of(folder: Path) -> dict[str, Any]:
    """Life cycle of a run folder, or of every run of a compare folder with the reductions' uncertainty.

    Raises carbon_data.types.DataError on an unfinished or damaged folder, or an unfit marginal source.
    """
    return lifecycle_of_study(load(Path(folder)))


def lifecycle_of_study(study: Study) -> dict[str, Any]:
    """A run's life cycle; of a comparison that of its runs, and the reductions with what their intervals rest on."""
    if not study.is_comparison:
        return lifecycle_of_run(study.any_run) | {"tornado": tornado_json(study)}
    factors = factors_of(study)
    error = error_model(study, factors)
    return {
        "runs": [lifecycle_of_run(run) for run in study],
        "reductions": reductions_json(study),
        "errors": asdict(error),
        "network_factor": network_json(study.any_run),
        "tornado": tornado_json(study),
        "factors": factors.used(),
    }


def lifecycle_of_run(run: Run) -> dict[str, Any]:
    """Stages with operational and embodied grams, SCI, (L4), and the columns beside the headline.

    Grams CO2e, energies J. A figure that cannot be given is null beside a ``reason``.
    """
    factors, setting = factors_of([run]), setting_of(run)
    stages, made = by_stage(run), embodied(setting, factors)
    whole = sum(stages.values(), Sum())
    served = requests(run)
    marginal_g, marginal_source = marginal(setting)
    spread = total_spread(run, factors)
    gaps = missing_fraction(run)
    reading = whole.known(missing_fraction=gaps).as_dict()
    return {
        "run_id": run.metadata["run_id"],
        "policy": run.policy,
        "seed": run.seed,
        "stages": [
            {
                "stage": stage,
                "energy_j": total.energy_j,
                "grid_j": total.grid_j,
                "operational_g": total.operational_g,
                "embodied_g": None if made.reason else made.by_stage.get(stage, 0.0),
                "reading": total.known(missing_fraction=gaps).as_dict(),
            }
            for stage, total in stages.items()
        ],
        "operational_g": whole.operational_g,
        "reading": reading,
        "operational_spread": None if spread is None else asdict(spread),
        "embodied": {
            "value": made.total_g,
            **({"reason": made.reason} if made.reason else {}),
            "std_g": None if made.reason else made.std_g,
            "devices": [asdict(device) for device in made.devices],
            "unknown": made.unknown,
            "without": made.without,
            "left_out": LEFT_OUT,
            "reading": CONSTANT.as_dict(),
        },
        "sci": sci(stages, made, served, rounds(run), missing_fraction=gaps),
        "per_inference": per_inference(
            stages, made, served, setting.accounting.lifetime_inferences, missing_fraction=gaps
        ),
        "columns": {
            "location_based_average": {"value": whole.operational_g, "reading": reading},
            "market_based": {
                **market_based(setting).as_dict(),
                "source": setting.accounting.market_source or None,
                "reading": reading,
            },
            "marginal": {**marginal_g.as_dict(), "source": marginal_source or None, "reading": reading},
            "harvest_life_cycle": {
                **harvest_life_cycle(setting, factors).as_dict(),
                "reading": CONSTANT.as_dict(),
            },
        },
        "network_factor": network_json(run),
        "factors": factors.used(),
    }


def tornado_json(study: Study) -> dict[str, Any] | None:
    """Sensitivity of the result; None where nothing was emitted."""
    found = tornado(study)
    return None if found is None else found.as_dict()
