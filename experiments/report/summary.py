"""What a run or comparison shows in the terminal, and the JSON objects of ``--json``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from experiments.report import learning, negotiation, regret, style, units
from experiments.report.baselines import BASELINES, there
from experiments.report.measures import (
    decision_counts,
    over_seeds,
    reduction,
    reductions_by_seed,
    totals,
)
from experiments.report.notices import Notice, notices
from experiments.report.read import Run, Study, load
from experiments.report.serving import serving_json

WIDE_COLUMNS = 152
"""A terminal as wide as this shows every column in full."""
TERMINAL_FIELDS: tuple[tuple[str, str, Callable[[float | None], str]], ...] = (
    ("energy_j", "energy", units.joules),
    ("accuracy", "accuracy", units.percent),
    ("tree_testbed_bit_per_j", "TREE, testbed", units.bits_per_joule),
    ("moved_batches", "moved", units.count),
    ("sent_j", "transferred", units.joules),
)


def comparison_json(study: Study) -> dict[str, Any]:
    """``{"policies": {name: {...}}, "seeds": [...], "run": folder}``; every list has one entry per seed,
    in order.

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
                f"reduction_vs_{baseline}_fraction": reductions_by_seed(study, policy, baseline)
                for baseline in BASELINES
            },
        }
    return {
        "policies": policies,
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
    return {name: getattr(one, name) for name in one.__dataclass_fields__} | {
        "serving": serving_json(run),
        "decisions": asdict(decision_counts(run)),
        "negotiation": negotiation.as_json(run),
        "run_id": run.metadata["run_id"],
        "run": str(run.folder),
    }


def summary_json(folder: Path, *, require_done: bool = True) -> dict[str, Any]:
    """The JSON object of a run folder or a compare folder."""
    study = load(folder, require_done=require_done)
    return comparison_json(study) if study.is_comparison else run_json(study.any_run)


def print_summary(
    folder: Path, console: Console, *, report: Path | None = None, require_done: bool = True
) -> None:
    """The table at the end of a run or comparison, its notices, and the report's path."""
    study = load(folder, require_done=require_done)
    console.print(summary_table(study, wide=console.width >= WIDE_COLUMNS))
    for notice in notices(study):
        console.print(_notice_text(notice))
    console.print(Text.assemble("folder: ", str(folder)), soft_wrap=True)
    if report is not None:
        console.print(Text.assemble("report: ", (str(report), "bold")), soft_wrap=True)


def _notice_text(notice: Notice) -> Text:
    colour = {"bad": "bold red", "warn": "yellow", "info": "dim"}[notice.level]
    return Text.assemble((f"{notice.title}: ", colour), notice.text)


def summary_table(study: Study, *, wide: bool = True) -> RichTable:
    """Rows are policies; a column whose figures do not exist is left out rather than filled.

    ``wide=False`` leaves out intervals, energy and flows, so that the table fits 80 columns.
    """
    name = str(study.any_run.metadata["name"])
    seeds = (
        f"{len(study.seeds)} paired seeds" if len(study.seeds) > 1 else f"seed {study.seeds[0]}, no spread"
    )
    table = RichTable(title=f"{name}: {seeds}", title_justify="left", caption_justify="left")
    table.add_column("policy", style="bold", no_wrap=True)
    table.add_column(
        "emissions" if len(study.seeds) == 1 else "emissions ± sd", justify="right", no_wrap=True
    )
    baselines = there(study) if study.is_comparison else []
    for baseline in baselines:
        interval = " [95 % CI]" if wide and len(study.seeds) > 1 else ""
        table.add_column(f"vs {baseline.upper()}{interval}", justify="right", no_wrap=True)
    narrow = ("accuracy",) if len(baselines) > 1 else ("accuracy", "tree_testbed_bit_per_j")
    fields = [field for field in TERMINAL_FIELDS if wide or field[0] in narrow]
    regrets = {policy: regret.mean_regret_g(study, policy) for policy in study.policies}
    bounded = any(value is not None for value in regrets.values())
    gains = {policy: regret.mean_captured_gain(study, policy) for policy in study.policies}
    captured = bounded and wide and any(value is not None for value in gains.values())
    if bounded:
        table.add_column("regret", justify="right", no_wrap=True)
    if captured:
        table.add_column("captured", justify="right", no_wrap=True)
    for _, label, _ in fields:
        table.add_column(label, justify="right", no_wrap=True)
    best = min(study.policies, key=lambda p: (over_seeds(study, p, "emissions_g").mean, p))  # type: ignore[union-attr]
    for policy in study.policies:
        cells = [units.spread(over_seeds(study, policy, "emissions_g"), units.grams_scale)]
        for baseline in baselines:
            value = None if policy == baseline else reduction(study, policy, baseline)
            short = units.percent(None if value is None else value.mean)
            cells.append("baseline" if policy == baseline else units.short_interval(value) if wide else short)
        if bounded:
            value = regrets[policy]
            cells.append(units.NO_VALUE if value is None else units.grams(value.mean))
        if captured:
            value = gains[policy]
            cells.append(units.NO_VALUE if value is None else units.percent(value.mean))
        for field, _, text in fields:
            value = over_seeds(study, policy, field)
            cells.append(units.NO_VALUE if value is None else text(value.mean))
        green = study.is_comparison and len(study.policies) > 1 and policy == best
        table.add_row(style.policy_label(policy), *cells, style="green" if green else None)
    return table
