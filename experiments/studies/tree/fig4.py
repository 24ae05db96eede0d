"""Reproduction of Fig. 4 of the TREE paper: ``reproduce_fig4`` simulates, judges, draws and writes it all.

Claim: sixteen statements of section IV, each met, not met or not decidable, over a map of settings. Cost: --quick
half a minute on two cores, --full two and a half. Command: ``detabed reproduce tree-fig4``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from experiments.fitting_table import FittingTable
from experiments.progress import progress_bar
from experiments.report.figures.base import Drawing
from experiments.report.figures.look import look
from experiments.run_folder.files import FIGURES, REPORT, TABLES, TIMINGS
from experiments.studies.tree import figures as draw_figures
from experiments.studies.tree.claims import CLAIMS, Judgement
from experiments.studies.tree.conditions import CHANGE_FRACTION, CONFIDENCE_FRACTION, FLAT_FRACTION, Verdict
from experiments.studies.tree.engine import simulate
from experiments.studies.tree.model import Discipline, Service, SleepMode, build_machine
from experiments.studies.tree.page import case_study_page
from experiments.studies.tree.parameters import PS_PER_S, Parameters
from experiments.studies.tree.power import PowerSeries, power_series, state_powers
from experiments.studies.tree.settings import (
    FULL,
    QUICK,
    REFERENCE,
    Background,
    Extent,
    Reading,
    Setting,
    rates_per_s,
    study_settings,
)
from experiments.studies.tree.study import run_study
from experiments.studies.tree.tables import (
    ablation_table,
    claims_table,
    curves_table,
    judge_all,
    parameters_table,
)
from experiments.studies.tree.traffic import draw
from experiments.studies.tree.variants import judge_variants, variant_counts, variants_table
from experiments.studies.tree.windows import windows_table

MINIMUM_SEEDS = 10
_TIMELINE_S = (20.0, 24.0)
_EXAMPLE_S = 60.0


def reproduce_fig4(
    folder: Path,
    quick: bool = True,
    seeds: int | None = None,
    *,
    console: Console | None = None,
    workers: int | None = None,
) -> dict[str, Any]:
    """Simulate the map, judge the sixteen claims, draw the panels; continues an interrupted study in ``folder``.

    Args:
        folder: Output; may hold the cells of an earlier, unfinished study.
        quick: The short windows and few seeds of ``settings.QUICK`` instead of ``settings.FULL``.
        seeds: Number of paired seeds instead of the extent's own; at least 10.
        console: Where progress goes; None for silence.
        workers: Processes; None for one per core.

    Returns:
        ``claims`` (verdict in the reference setting, the paper's words, ours, in how many distinct settings of the
        map it is met, and what gives the verdict without simulation, where something does), ``map``, ``variants``
        (verdicts in the reference setting with batches, several users and the fitted cost model), ``tables`` and
        ``figures`` (paths), ``run`` (the folder).

    Raises:
        ValueError: fewer than ten seeds.
    """
    extent = QUICK if quick else FULL
    if seeds is not None:
        if seeds < MINIMUM_SEEDS:
            raise ValueError(
                f"seeds is {seeds}; allowed is at least {MINIMUM_SEEDS}, which the claims are tested over"
            )
        extent = Extent(seeds, extent.window_s, extent.warmup_s)
    started = time.perf_counter()
    results = run_study(folder, study_settings(), extent, console=console, workers=workers)
    simulated_s = time.perf_counter() - started
    curves = curves_table(results)
    judged = judge_all(curves, results.parameters)
    claims, ablations = claims_table(judged), ablation_table(curves)
    variants = judge_variants(curves, results.parameters)
    example = worked_example(results.parameters)
    tables = {
        "curves": curves,
        "claims": claims,
        "ablation": ablations,
        "parameters": parameters_table(),
        "map": _map_table(claims),
        "variants": variants_table(variants),
        "windows": example.windows,
    }
    panels = (REFERENCE.discipline,) if quick else tuple(Discipline)
    drawings: list[Callable[[], Drawing]] = [
        partial(draw_figures.fig4, curves, b, d) for d in panels for b in Background
    ]
    drawings += [
        partial(draw_figures.verdict_map, judged),
        partial(draw_figures.ablation, ablations),
        partial(draw_figures.timeline, example.series),
    ]
    report = {
        "claims": _claims(judged),
        "reference": REFERENCE.label,
        "rule": {
            "confidence_fraction": CONFIDENCE_FRACTION,
            "change_fraction": CHANGE_FRACTION,
            "flat_fraction": FLAT_FRACTION,
        },
        "extent": asdict(extent),
        "map": _counts(judged),
        "variants": variant_counts(variants),
        "tables": _write_tables(folder, tables),
        "figures": {},
        "page": str(folder / REPORT),
        "run": str(folder),
    }
    drawn = _write_figures(folder, drawings, console)
    report["figures"] = {each.name: str(folder / FIGURES / f"{each.name}.svg") for each, _ in drawn}
    (folder / REPORT).write_text(case_study_page(report, tables["parameters"], drawn), encoding="utf-8")
    (folder / "claims.json").write_text(
        json.dumps(report, indent=2, allow_nan=False) + "\n", encoding="utf-8"
    )
    delivered = int(curves[["vr_delivered", "vu_delivered", "vg_delivered"]].to_numpy().sum())
    timings = {
        "simulation_s": simulated_s,
        "all_s": time.perf_counter() - started,
        "cells_computed": results.computed,
        "cells_reused": results.reused,
        "packets_delivered_in_windows": delivered,
    }
    (folder / TIMINGS).write_text(json.dumps(timings, indent=2) + "\n", encoding="utf-8")
    return report


def reproduce_tree_fig4(
    output: Path, full: bool, console: Console | None, *, workers: int | None = None
) -> dict[str, Any]:
    """``detabed reproduce tree-fig4``: run the study into ``output`` and show the verdicts on ``console``."""
    report = reproduce_fig4(output, quick=not full, console=console, workers=workers)
    if console is not None:
        console.print(verdicts(report))
    return report


def verdicts(report: dict[str, Any]) -> FittingTable:
    """The sixteen claims as a table for people."""
    colours = {Verdict.MET: "green", Verdict.NOT_MET: "red", Verdict.NOT_DECIDABLE: "yellow"}
    table = FittingTable(
        "claim", "paper", "verdict", "ours", "met in", title=f"Reference setting: {report['reference']}"
    )
    for name, claim in report["claims"].items():
        colour = colours[Verdict(claim["verdict"])]
        table.add_row(
            name,
            claim["paper"],
            f"[{colour}]{claim['verdict_in_full']}[/{colour}]",
            claim["ours"],
            f"{claim['met_in']} of {claim['settings']}",
        )
    return table


def _claims(judged: dict[Reading, dict[str, Judgement]]) -> dict[str, dict[str, Any]]:
    """Verdicts of the reference setting, and counts over settings that differ in the figures that a claim reads."""
    found: dict[str, dict[str, Any]] = {}
    for claim in CLAIMS:
        if not claim.counted:
            continue
        here = judged[REFERENCE][claim.name]
        distinct = {by_claim[claim.name].digest: by_claim[claim.name] for by_claim in judged.values()}
        everywhere = [one.verdict for one in distinct.values()]
        found[claim.name] = {
            "verdict": str(here.verdict),
            "verdict_in_full": f"{here.verdict}{', by construction' if here.by_construction else ''}",
            "sentence": claim.sentence,
            "paper": claim.paper,
            "ours": here.ours,
            "figure": here.figure.as_dict(),
            "met_in": everywhere.count(Verdict.MET),
            "not_met_in": everywhere.count(Verdict.NOT_MET),
            "not_decidable_in": everywhere.count(Verdict.NOT_DECIDABLE),
            "settings": len(everywhere),
            "by_construction_in": sum(bool(one.by_construction) for one in distinct.values()),
            **({"by_construction": here.by_construction} if here.by_construction else {}),
        }
    return found


def _counts(judged: dict[Reading, dict[str, Judgement]]) -> list[dict[str, Any]]:
    """Met claims of the sixteen by setting."""
    return [
        {
            "background": str(reading.background),
            "discipline": str(reading.discipline),
            "alpha_bits_per_token": reading.alpha_bits_per_token,
            "counting": str(reading.counting),
            **{
                str(verdict).replace(" ", "_"): sum(
                    j.verdict is verdict for j in by_claim.values() if j.claim.counted
                )
                for verdict in Verdict
            },
        }
        for reading, by_claim in judged.items()
    ]


def _map_table(claims: pd.DataFrame) -> pd.DataFrame:
    """Settings against claims, one verdict a cell."""
    index = ["background", "discipline", "counting", "alpha_bits_per_token"]
    wide = claims.pivot(index=index, columns="claim", values="verdict")
    return wide[[claim.name for claim in CLAIMS]].reset_index()


@dataclass(frozen=True)
class _Example:
    series: PowerSeries
    windows: pd.DataFrame


def worked_example(parameters: Parameters) -> _Example:
    """The reference world under joint sleep, lightly loaded: power over a few seconds, TREE over windows of 1 s."""
    setting = Setting(Service.VG, REFERENCE.background, REFERENCE.discipline, SleepMode.JOINT)
    machine, powers = build_machine(parameters, setting.discipline, setting.sleep), state_powers(parameters)
    traffic = draw(0, rates_per_s(setting, machine, 0.5), _EXAMPLE_S)
    outcome = simulate(traffic, machine)
    begin, end = (round(edge * PS_PER_S) for edge in _TIMELINE_S)
    return _Example(
        power_series(outcome, powers, begin, end),
        windows_table(traffic, outcome, machine, powers, PS_PER_S, REFERENCE.counting),
    )


def _write_tables(folder: Path, tables: dict[str, pd.DataFrame]) -> dict[str, str]:
    target = folder / TABLES
    target.mkdir(exist_ok=True)
    for name, table in tables.items():
        table.to_csv(target / f"{name}.csv", index=False)
    return {name: str(target / f"{name}.csv") for name in tables}


def _write_figures(
    folder: Path, drawings: Sequence[Callable[[], Drawing]], console: Console | None
) -> list[tuple[Drawing, str]]:
    """SVG, PDF and PNG of each; the data of a figure that is no table of its own beside the tables.

    Returns each with its SVG text.
    """
    target = folder / FIGURES
    target.mkdir(exist_ok=True)
    written = []
    with progress_bar(console) as progress:
        for make in progress.track(drawings, description="drawing   "):
            drawing = make()
            svg = drawing.svg()
            drawing.save(target, svg)
            with look():
                drawing.figure.savefig(
                    target / f"{drawing.name}.png", dpi=150, facecolor="white", metadata={"Software": None}
                )
            drawing.data.to_csv(folder / TABLES / f"{drawing.name}.csv", index=False)
            written.append((drawing, svg))
    return written
