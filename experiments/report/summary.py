"""What a run or comparison shows in the terminal, and the JSON objects of ``--json``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from experiments.report import learning, negotiation, regret
from experiments.report.baselines import BASELINES
from experiments.report.boundary import Boundary
from experiments.report.functional import functional_units
from experiments.report.lifecycle.spread import network_json, reductions_json
from experiments.report.matrix import pairs_json
from experiments.report.measures import decision_counts, reductions_by_seed, totals
from experiments.report.notices import Notice, notices
from experiments.report.provenance import known_of
from experiments.report.read import Run, Study
from experiments.report.serving import serving_json
from experiments.report.terminal import functional_table, reductions_table, totals_table


def comparison_json(study: Study) -> dict[str, Any]:
    """``{"policies": {name: {...}}, "seeds": [...], "run": folder}``; every list has one entry per seed,
    in order.

    ``functional_units`` lead: grams per round, 1,000 answers, 1,000 tokens and hour of the fleet. ``reductions`` states
    every reduction with its intervals, for nodes alone and the whole testbed; the entries by seed of the whole testbed
    are ``reduction_vs_...``, of nodes alone ``nodes_reduction_vs_...``.
    ``reduction_vs_grid_fraction`` and ``reduction_vs_local_fraction`` are None when that baseline was not run; an entry
    is None where the pair is incomplete. ``accuracy`` and ``tree_testbed_bit_per_j`` are None where not measured.
    ``regret_g`` = ``comparable_g`` - ``bound_g`` beside the perfect-foresight optimum of the seed's day,
    which is a bound and no run; ``regret`` says what is in it; ``regret_note`` why a value is below zero or lacking.
    ``regret_fraction`` is the gap to that optimum, ``captured_gain_fraction`` = (LOCAL - C) / (LOCAL - optimum) of the
    same grams, None without a LOCAL run of the seed or where either left work undone. ``negotiation``: what the
    markets of a run cost; None where it did not negotiate.
    """
    policies: dict[str, Any] = {}
    target = learning.target_of(study)
    for policy, by_seed in study.runs.items():
        every = [totals(run) for run in by_seed.values()]
        regrets = [regret.entry(study, run) for run in by_seed.values()]
        policies[policy] = {
            "functional_units": [_functional(run) for run in by_seed.values()],
            "seeds": list(by_seed),
            "serving": [serving_json(run) for run in by_seed.values()],
            **{
                name: [getattr(one, name) for one in every]
                for name in every[0].__dataclass_fields__
                if name not in ("policy", "seed")
            },
            **{
                name: [None if one is None else one[name] for one in regrets]
                for name in ("regret_g", "regret_fraction", "bound_g", "comparable_g")
            },
            "captured_gain_fraction": [regret.captured_gain(study, run) for run in by_seed.values()],
            "negotiation": [negotiation.as_json(run) for run in by_seed.values()],
            "decisions": [asdict(decision_counts(run)) for run in by_seed.values()],
            **learning.as_json(study, policy),
            "regret_note": [None if one is None else one["note"] or None for one in regrets],
            **{
                f"{prefix}reduction_vs_{baseline}_fraction": reductions_by_seed(
                    study, policy, baseline, boundary
                )
                for baseline in BASELINES
                for prefix, boundary in (("", Boundary.TESTBED), ("nodes_", Boundary.NODES))
            },
            "reading": [known_of(run).text for run in by_seed.values()],
            "ledger": [run.metadata.get("ledger") for run in by_seed.values()],
        }
    return {
        "policies": policies,
        "reductions": reductions_json(study),
        "pairs": pairs_json(study),
        "network_factor": network_json(study.any_run),
        "seeds": list(study.seeds),
        "absent": list(study.absent),
        "failed": dict(study.failed),
        "target_accuracy_fraction": target.accuracy_fraction,
        "target_accuracy_is": target.is_what,
        "regret": {key: text for key, text in study.regret.items() if key != "runs"},
        "run": str(study.folder),
    }


def run_json(run: Run) -> dict[str, Any]:
    """One run: every field of Totals, and where it lies."""
    one = totals(run)
    return (
        {"functional_units": _functional(run)}
        | {name: getattr(one, name) for name in one.__dataclass_fields__}
        | {
            "reading": known_of(run).text,
            "network_factor": network_json(run),
            "serving": serving_json(run),
            "decisions": asdict(decision_counts(run)),
            "negotiation": negotiation.as_json(run),
            "run_id": run.metadata["run_id"],
            "ledger": run.metadata.get("ledger"),
            "run": str(run.folder),
        }
    )


def _functional(run: Run) -> dict[str, dict[str, float | None]]:
    """Grams per functional unit by boundary."""
    return {boundary.value: functional_units(run, boundary).as_dict() for boundary in reversed(Boundary)}


def summary_json(study: Study) -> dict[str, Any]:
    """The JSON object of a run or a comparison."""
    return comparison_json(study) if study.is_comparison else run_json(study.any_run)


def print_summary(study: Study, console: Console, *, report: Path | None = None) -> None:
    """The table at the end of a run or comparison, its notices, and the report's path."""
    console.print(functional_table(study))
    reductions = reductions_table(study)
    if reductions is not None:
        console.print(reductions)
    console.print(totals_table(study))
    for notice in notices(study):
        console.print(_notice_text(notice))
    for run in study:
        if (books := run.metadata.get("ledger")) is not None:
            name = "" if not study.is_comparison else f"{run.folder.name}, "
            console.print(
                f"books: {name}{books['entries']} entries, head {books['head']}",
                highlight=False,
                soft_wrap=True,
                style="dim",
            )
    console.print(Text.assemble("folder: ", str(study.folder)), soft_wrap=True)
    if report is not None:
        console.print(Text.assemble("report: ", (str(report), "bold")), soft_wrap=True)


def _notice_text(notice: Notice) -> Text:
    colour = {"bad": "bold red", "warn": "yellow", "info": "dim"}[notice.level]
    return Text.assemble((f"{notice.title}: ", colour), notice.text)
