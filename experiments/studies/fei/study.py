"""``reproduce_fei``: train, place, simulate, judge, draw and write it all.

Claim: the case study of the DETA paper (Table I, Figs. 3 to 5), each statement met, not met or not decidable.
Cost: --quick about 13 CPU minutes on two processes; --full a day (the LSTM reads the text hundreds of times).
Command: ``detabed reproduce all``. An interrupted study goes on where it stopped: every training and every day is
kept in the user's cache folder under the hash of all it depends on.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from carbon_data.files.datasets import dataset, how_to_get, mnist_names
from carbon_data.files.folders import DATA_DIR_VARIABLE, cache_dir, data_dir
from carbon_data.types import DataError
from edge_node.tasks.registry import find_task
from experiments.errors import UsageError
from experiments.fleet.cores import cpu_count
from experiments.report.units import percent
from experiments.studies.fei import (
    assumptions,
    costs,
    fig4,
    fig5,
    figures,
    inconsistencies,
    market,
    placement,
    rates,
    report,
    shipped,
    table1,
)
from experiments.studies.fei.claims.construction import marked, whatever_rounds
from experiments.studies.fei.claims.judgement import Judgement
from experiments.studies.fei.claims.markets import conditions, contour, market_claims, surface_claims
from experiments.studies.fei.claims.setup import parameter_claims
from experiments.studies.fei.claims.stages import stage_claims
from experiments.studies.fei.claims.table import every_reading, table_claims
from experiments.studies.fei.digests import key_of
from experiments.studies.fei.engine import run_jobs
from experiments.studies.fei.market import Fig5Cell, SurfaceCell
from experiments.studies.fei.plan import Plan, hours, make_plan, why_absent
from experiments.studies.fei.spec import (
    BY_NAME,
    FULL,
    PAPER_REDUCTION_FRACTION,
    QUICK,
    RATE_REDUCTIONS,
    Effort,
)
from experiments.studies.fei.table1 import Outcome, Row
from experiments.studies.fei.training import Training

_KINDS = {
    "measured": "trained on this machine at the paper's size",
    "shipped": "from trainings of that size that ship with the package",
    "scaled": "trained smaller and scaled by counted work",
    "shipped, scaled": "scaled likewise from smaller trainings that ship with the package",
    "missing": "missing",
}
"""Origins of rows, in words."""
WHAT = ("table1", "fig3", "fig4", "fig5", "all")
_NEEDS_TABLE = ("table1", "fig3", "all")


def reproduce_fei(
    what: str,
    output: Path,
    full: bool,
    console: Console | None,
    *,
    cache: Path | None = None,
    effort: Effort | None = None,
    workers: int | None = None,
    train: bool = False,
    zones: tuple[str, ...] | None = None,
) -> dict[str, Any]:
    """Reproduce ``what`` of ``WHAT`` into the folder ``output``.

    Args:
        what: table1, fig3, fig4, fig5 or all.
        output: Folder of the report, its figures, tables and cases; may exist.
        full: Everything at the paper's size, instead of the quick reductions.
        console: Where progress goes; None for silence.
        cache: Folder of finished trainings and days; None for the user's cache folder.
        effort: Instead of QUICK or FULL, for tests.
        workers: Processes; 1 computes in this one, None takes one a core.
        zones: Instead of the ten of the study; unique, at least ten.
        train: Do without the trainings that ship with the package: rows that would use them are missing.

    Returns:
        ``claims`` (verdict, paper, ours, rule by name), ``tables`` (rows by name), ``run`` and ``report`` (paths).

    Raises:
        ValueError: unknown ``what``.
        experiments.errors.UsageError: too few zones, or one twice.
        carbon_data.types.DataError: data files are missing; the message says which and how to get them.
    """
    if what not in WHAT:
        raise ValueError(f"cannot reproduce {what!r}; allowed are {', '.join(WHAT)}")
    began, cpu = time.perf_counter(), 0.0
    workers = workers or cpu_count()
    effort = effort or (FULL if full else QUICK)
    if train:
        effort = replace(effort, uses_shipped=False)
    if zones is not None:
        if len(set(zones)) < max(len(zones), fig5.SURFACE_SERVERS):
            raise UsageError(
                f"the study needs {fig5.SURFACE_SERVERS} or more zones, each once, got {len(zones)}: {', '.join(zones)}"
            )
        effort = replace(effort, zones=zones)
    kept = cache or cache_dir() / "reproduce-fei"
    data = find_data(effort)
    world = placement.intensities(effort.zones)

    sizes = {name: (known, count) for name, (known, count, _) in data.items()}
    only = None if what in _NEEDS_TABLE else fig4.ROWS
    plan = make_plan(effort, sizes, kept, recycled=fig4.ROWS, only=only)
    if not effort.uses_shipped and console is not None:
        costs.announce(plan, kept, workers, console)
    whole, scaled, spent = _train(plan, effort, kept, output, console, workers)
    seeded, more = _train_again(plan, whole, kept, output, console, workers)
    spent += more
    by_rate, more = _train_rates(plan, effort, kept, output, console, workers)
    spent += more
    # A row of the paper's size whose block has none to calibrate with gives rounds but no energy: then the scaled one.
    outcomes = scaled | {
        row: seen for row, seen in whole.items() if seen.calibration is not None or row not in scaled
    }
    cpu += spent
    frame = table1.table(outcomes, why_absent(plan), world)
    seeded = table1.covering(seeded, whole)
    seeds = table1.by_seed(seeded, world)
    judged: dict[str, Judgement] = dict(parameter_claims())
    sections: list[report.Section] = []
    tables: dict[str, pd.DataFrame] = {}
    if what in _NEEDS_TABLE:
        check = table1.scaling_check(whole, scaled)
        headline = table_claims(frame, check, seeds)
        own = rates.own(outcomes)
        every_rate = own | {key: rows for key, rows in by_rate.items() if rows or key not in own}
        judged |= headline
        found = {
            "table1": frame,
            "seeds": seeds,
            "errors": table1.errors(frame),
            "rates": rates.table(every_rate),
            "rate_errors": rates.errors(every_rate),
            "calibrations": table1.calibrations(outcomes, whole, scaled),
            "scaling": check,
            "claims_by_reading": every_reading(frame, check, seeds, headline),
        }
        tables |= found
        sections += _table_sections(what, found)
    if what in ("fig4", "all"):
        shares = fig4.shares(fig4.table(outcomes, world))
        shares_by_seed = fig4.by_seed(seeded, world)
        judged |= stage_claims(shares, shares_by_seed)
        tables |= {"stages": shares, "stages_seeds": shares_by_seed}
        sections.append(_stage_section(shares, shares_by_seed))
    judged = marked(judged, whatever_rounds(judged, outcomes, world))
    lines: pd.DataFrame | None = None
    if what in ("fig5", "all"):
        lines, means, points, spent = _markets(outcomes, effort, kept, output, console, workers)
        cpu += spent
        judged |= market_claims(lines)
        judged |= surface_claims(means, effort.zones)
        tables |= {"fig5": lines, "surface": means, "surface_seeds": points}
        sections.append(_market_section(lines, means, effort.zones))
    notes = inconsistencies.table(world, lines, frame if what in _NEEDS_TABLE else None)
    tables["inconsistencies"] = notes

    page = report.Page(
        title="Net-zero network AI: the DETA case study reproduced",
        kicker=f"detabed reproduce {what} --{effort.name} · Zhang et al., IEEE Communications Magazine, "
        "Table I, Figs. 3 to 5",
        claims=judged,
        sections=sections,
        notes=notes,
        assumptions=assumptions.study_assumptions(effort, world, [text for _, _, text in data.values()]),
        notices=_notices(effort, plan, frame, world),
        command=f"detabed reproduce {what} --{effort.name}",
        origins=[(model, text) for model, (_, _, text) in data.items()]
        + [("intensity", f"{world.origin.source}; {world.origin.licence}")],
        cost=[
            ("CPU seconds of all trainings and days, cached ones included", f"{cpu:.0f}"),
            ("wall seconds of this run", f"{time.perf_counter() - began:.0f}"),
        ],
        extra_tables={
            k: v for k, v in tables.items() if k in ("fig5", "surface_seeds", "seeds", "stages_seeds")
        },
    )
    path = report.write(page, output, console)
    answer = {
        "claims": {name: judgement.as_dict() for name, judgement in judged.items()},
        "tables": {name: _records(table) for name, table in tables.items()},
        "effort": effort.name,
        "cpu_s": cpu,
        "run": str(output),
        "report": str(path),
    }
    (output / "reproduce.json").write_text(json.dumps(answer, indent=1, allow_nan=False), encoding="utf-8")
    return answer


def find_data(effort: Effort) -> dict[str, tuple[str, int, str]]:
    """Data set name, number of training examples and origin for each model that is trained.

    Images are MNIST and nothing else: the paper's target means it. Text falls back to what ships with Python.
    Raises DataError that names every missing file and how to get it.
    """
    missing = [name for name in mnist_names() if not (data_dir() / dataset(name).path).is_file()]
    if missing:
        ways = "; ".join(f"{name}: {how_to_get(dataset(name))}" for name in missing)
        raise DataError(
            f"the reproduction trains on MNIST, and {len(missing)} of its files are not in {data_dir()} (set "
            f"{DATA_DIR_VARIABLE} for another folder): {ways}. Optional: tinyshakespeare (without it the LSTM learns "
            "Python's documentation), em-lca-2022 (without it packaged profiles)"
        )
    found = {}
    for model in effort.models:
        task = find_task(model.task)
        name = task.resolve_data("auto") if model.is_text else model.data
        loaded = task.dataset(name)
        found[model.name] = (name, loaded.num_train, f"{model.name}: {loaded.origin}")
    return found


def _train(
    plan: Plan,
    effort: Effort,
    cache: Path,
    output: Path,
    console: Console | None,
    workers: int,
) -> tuple[dict[Row, Outcome], dict[Row, Outcome], float]:
    """Outcomes of the paper's size, scaled ones, and CPU seconds of all trainings of this machine behind them."""
    rows, every = [*plan.trained, *plan.scaled], [*plan.trained.values(), *plan.scaled.values()]
    jobs = [Training(cell) for cell in every]
    results, _ = run_jobs(jobs, cache, what="training", console=console, workers=workers)
    whole, scaled = {}, {}
    cpu, counted = 0.0, set()
    for place, (row, cell, result) in enumerate(zip(rows, every, results, strict=True)):
        if (key := key_of(cell)) not in counted:
            counted.add(key)
            cpu += result["cost"]["cpu_s"]
        reduction = effort.trainings.get((row.model, row.batches))
        if place >= len(plan.trained):
            reduction = effort.scaled[row.model, row.batches]
        if reduction is not None and reduction.is_scaled:
            basis = table1.scaled_basis(reduction, result["cell"])
            scaled[row] = table1.outcome(row, result, basis)
            _case(output, row, result, "-scaled")
        else:
            whole[row] = table1.outcome(row, result, "measured")
            _case(output, row, result, "")
    for row, result in plan.shipped.items():
        whole[row] = table1.outcome(row, result, f"shipped: {shipped.origin(result)}")
        _case(output, row, result, "-shipped")
    for row, result in plan.shipped_scaled.items():
        reduction = effort.scaled[row.model, row.batches]
        what = table1.reduced(reduction, result["cell"])
        scaled[row] = table1.outcome(row, result, f"shipped, scaled: {what}; {shipped.origin(result)}")
        _case(output, row, result, "-shipped-scaled")
    return table1.calibrated(whole), table1.calibrated(scaled), cpu


def _train_again(
    plan: Plan, first: dict[Row, Outcome], cache: Path, output: Path, console: Console | None, workers: int
) -> tuple[dict[int, dict[Row, Outcome]], float]:
    """Outcomes of the rows that are trained from several seeds, by seed, each calibrated on its own; CPU seconds.

    Seed 0 is the study's own. Rows may be missing from a seed (table1.covering).
    """
    results, _ = run_jobs(
        [Training(cell) for cell in plan.again.values()],
        cache,
        what="other seeds",
        console=console,
        workers=workers,
    )
    found = {key: (result, "measured", "") for key, result in zip(plan.again, results, strict=True)} | {
        key: (result, f"shipped: {shipped.origin(result)}", "-shipped")
        for key, result in plan.shipped_again.items()
    }
    rows = {row for row, _ in found}
    seeded = {0: {row: seen for row, seen in first.items() if row in rows}}
    for (row, seed), (result, basis, suffix) in found.items():
        seeded.setdefault(seed, {})[row] = table1.outcome(row, result, basis)
        _case(output, row, result, f"-seed{seed}{suffix}")
    whole = {seed: table1.calibrated(seen) for seed, seen in seeded.items()}
    return whole, float(sum(result["cost"]["cpu_s"] for result in results))


def _train_rates(
    plan: Plan, effort: Effort, cache: Path, output: Path, console: Console | None, workers: int
) -> tuple[dict[tuple[str, float], dict[Row, Outcome]], float]:
    """Outcomes of rows at other learning rates, by model and rate, and CPU seconds."""
    results, _ = run_jobs(
        [Training(cell) for cell in plan.rates.values()],
        cache,
        what="other rates",
        console=console,
        workers=workers,
    )
    found = {key: (result, "") for key, result in zip(plan.rates, results, strict=True)} | {
        key: (result, shipped.origin(result)) for key, result in plan.shipped_rates.items()
    }
    by_rate: dict[tuple[str, float], dict[Row, Outcome]] = {}
    for name, factors in effort.rates.items():
        by_rate |= {(name, factor * BY_NAME[name].learning_rate): {} for factor in factors}
    for (row, rate), (result, origin) in found.items():
        words = ["shipped"] if origin else []
        if (reduction := RATE_REDUCTIONS[row.model]).is_scaled:
            scaled = table1.reduced(reduction, result["cell"])
            words, origin = [*words, "scaled"], "; ".join(filter(None, (scaled, origin)))
        basis = ": ".join(filter(None, (", ".join(words) or "measured", origin)))
        by_rate[row.model, rate][row] = table1.outcome(row, result, basis)
        _case(output, row, result, f"-rate{rate:g}")
    return by_rate, float(sum(result["cost"]["cpu_s"] for result in results))


def _case(output: Path, row: Row, result: dict[str, Any], suffix: str) -> None:
    """A folder for one training: what it was, and its rounds."""
    letter = "e50" if row.batches is table1.BatchReading.AS_PRINTED else "b50"
    folder = output / "cases" / f"{row.model.lower()}-{letter}-servers{row.servers}-edges{row.edges}{suffix}"
    folder.mkdir(parents=True, exist_ok=True)
    histories = ("development", "recycling")
    about = {key: value for key, value in result.items() if key not in histories}
    (folder / "case.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
    rounds = [
        {"stage": stage, "round": k + 1, **seen}
        for stage in histories
        for k, seen in enumerate(result[stage])
    ]
    pd.DataFrame(rounds).to_csv(folder / "rounds.csv", index=False)


def _markets(
    outcomes: dict[Row, Outcome],
    effort: Effort,
    cache: Path,
    output: Path,
    console: Console | None,
    workers: int,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, float]:
    days: list[Fig5Cell] = fig5.cells(outcomes, effort)
    seen, _ = run_jobs(days, cache, what="Fig. 5", console=console, workers=workers)
    surface = fig5.surface_cells(outcomes, effort)
    points, _ = run_jobs(surface, cache, what="surface", console=console, workers=workers)
    cpu = sum(result["cost"]["cpu_s"] for result in (*seen, *points))
    for day, result in zip(days, seen, strict=True):
        _day(output, f"fig5-servers{day.servers}-seed{day.seed}", day, result, result["grams"].items())
    for cell, result in zip(surface, points, strict=True):
        first = cell.settings[0]
        nodes = "sleep" if first.sleep else f"slack{first.deadline_slots}"
        name = f"surface-panel{first.panel_w:g}-{nodes}-seed{cell.seed}"
        _day(output, name, cell, result, result["points"])
    every = fig5.surface(points)
    return fig5.lines(days, seen), fig5.means(every), every, cpu


def _day(
    output: Path, name: str, cell: Fig5Cell | SurfaceCell, result: dict[str, Any], rows: Iterable[Any]
) -> None:
    """A folder for one day of Fig. 5 or of the surface: its setting, and grams by policy or by point."""
    folder = output / "cases" / name
    folder.mkdir(parents=True, exist_ok=True)
    about = {"cell": asdict(cell), "day": market.day_of_year(cell.seed) + 1, "cost": result["cost"]}
    if isinstance(cell, Fig5Cell):
        about |= {key: result[key] for key in ("harvest_to_demand", "trainings")}
        table = pd.DataFrame(list(rows), columns=["policy", "day_g"])
    else:
        table = pd.DataFrame(list(rows))
    (folder / "case.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
    table.to_csv(folder / "grams.csv", index=False, lineterminator="\n")


def _table_sections(what: str, tables: dict[str, pd.DataFrame]) -> list[report.Section]:
    frame, seeds = tables["table1"], tables["seeds"]
    found = []
    if what != "fig3":
        found.append(
            report.Section(
                "table1",
                "Table I",
                "Rounds from real federated training, energy from the board model calibrated on one row of each "
                "model, reading of E and B, and size of training; grams by placement. Everything else is prediction.",
                figures=[[figures.ratios(frame, seeds)]],
                tables=[
                    report.readings(tables["claims_by_reading"]),
                    *([report.seeds(seeds)] if len(seeds) else []),
                    report.errors(tables["errors"]),
                    report.rate_errors(tables["rate_errors"]),
                    report.rates(tables["rates"]),
                    *([report.calibrations(tables["calibrations"])] if len(tables["calibrations"]) else []),
                    report.table1(frame),
                    *([report.scaling(tables["scaling"])] if len(tables["scaling"]) else []),
                ],
            )
        )
    if what != "table1":
        found.append(
            report.Section(
                "fig3", "Figure 3", "Energy and emissions against servers.", [[figures.fig3(frame, seeds)]]
            )
        )
    return found


def _stage_section(shares: pd.DataFrame, seeds: pd.DataFrame) -> report.Section:
    drawn = (
        [[figures.fig4(shares, seeds, fig4.PAPER_STAGES)], [figures.fig4(shares, seeds)]]
        if len(shares)
        else []
    )
    lead = (
        "Emissions by stage of the software's life: in the paper's three stages first, then with recycling, which is "
        "measured here and left out there."
    )
    return report.Section("fig4", "Figure 4", lead, drawn, [report.stages(shares)])


def _market_section(lines: pd.DataFrame, means: pd.DataFrame, zones: Sequence[str]) -> report.Section:
    target = percent(PAPER_REDUCTION_FRACTION)
    inside = fig5.within_caps(means, sleep=False)
    reached = "; ".join(
        f"against {against.upper()} {contour(inside, against)}" for against in ("grid", "local")
    )
    return report.Section(
        "fig5",
        "Figure 5 and the surface",
        f"What trading energy and moving work save, and where on the surface of assumptions {target} lies. At "
        f"{fig5.SURFACE_SERVERS} servers, caps {percent(market.CAP_FRACTION, 0)}, nodes awake and no slack: "
        f"{reached}. All this assumes: {conditions(means, zones)}. Slack: slots of an hour by which work may "
        "wait; the paper mentions none, but without it caps of 50 % keep every node awake.",
        [
            [figures.fig5(lines)],
            [figures.surface(means, "local"), figures.surface(means, "grid")],
            [figures.sleep(means)],
        ],
        [report.surface(means)],
    )


def _notices(
    effort: Effort, plan: Plan, frame: pd.DataFrame, world: placement.Intensities
) -> list[dict[str, str]]:
    found = []
    kind = frame["basis"].str.partition(":")[0].where(frame["ours_kwh"].notna(), "missing")
    count = kind.value_counts()
    parts = [f"{count[name]} {words}" for name, words in _KINDS.items() if name in count]
    found.append(
        {
            "level": "info" if set(count.index) == {"measured"} else "warn",
            "title": f"Effort: {effort.name}",
            "text": f"of {len(frame)} rows (models, readings, servers) {', '.join(parts)}; none comes from a formula",
        }
    )
    if plan.absent:
        blocks = Counter(f"{row.model}, {row.batches}" for row in plan.absent)
        found.append(
            {
                "level": "info",
                "title": "Left to --full",
                "text": "; ".join(f"{name}: {n} rows" for name, n in blocks.items())
                + f"; together about {hours(plan.absent_cpu_s())} on one core. --full says what it will take on your "
                "machine, may be stopped at any time and goes on where it stopped",
            }
        )
    if not world.is_hourly:
        found.append(
            {
                "level": "warn",
                "title": "No hourly intensities",
                "text": "packaged month and hour of day means are used; put em-lca-2022 into the data folder",
            }
        )
    found.append(
        {
            "level": "info",
            "title": "Energy trading is virtual",
            "text": "boards on Wi-Fi cannot move energy; transfers are accounted between sites, and "
            + inconsistencies.grids(world.zones),
        }
    )
    return found


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON: missing is null, never zero."""
    return json.loads(frame.to_json(orient="records", double_precision=15))  # type: ignore[no-any-return]
