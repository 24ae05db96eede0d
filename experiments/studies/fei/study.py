"""``reproduce_fei``: train, place, simulate, judge, draw and write it all.

Claim: the case study of the DETA paper (Table I, Figs. 3 to 5), each statement met, not met or not decidable.
Cost: --quick about 13 CPU minutes on two processes; --full a day (the LSTM reads the text hundreds of times).
Command: ``detabed reproduce all``. An interrupted study goes on where it stopped: every training and every day is
kept in the user's cache folder under the hash of all it depends on.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from carbon_data.files.folders import cache_dir
from experiments.errors import UsageError
from experiments.fleet.machine import cpu_count
from experiments.studies.fei import (
    assumptions,
    costs,
    fig4,
    fig5,
    inconsistencies,
    placement,
    rates,
    report,
    table1,
)
from experiments.studies.fei.claims.construction import marked, whatever_rounds
from experiments.studies.fei.claims.judgement import Judgement
from experiments.studies.fei.claims.markets import market_claims, surface_claims
from experiments.studies.fei.claims.setup import parameter_claims
from experiments.studies.fei.claims.stages import stage_claims
from experiments.studies.fei.claims.table import every_reading, table_claims
from experiments.studies.fei.computed import (
    Bench,
    ByRate,
    market_days,
    trained,
    trained_again,
    trained_at_rates,
)
from experiments.studies.fei.data import find_data
from experiments.studies.fei.plan import Plan, make_plan, why_absent
from experiments.studies.fei.sections import market_section, notices, stage_section, table_sections
from experiments.studies.fei.spec import (
    FULL,
    QUICK,
    Effort,
)
from experiments.studies.fei.table1 import Outcome, Row

WHAT = ("table1", "fig3", "fig4", "fig5", "all")
_NEEDS_TABLE = ("table1", "fig3", "all")
_EXTRA_TABLES = ("fig5", "surface_seeds", "seeds", "stages_seeds")


def reproduce_fei(
    what: str,
    output: Path,
    full: bool,
    console: Console | None,
    *,
    workers: int | None = None,
    train: bool = False,
    zones: tuple[str, ...] | None = None,
) -> dict[str, Any]:
    """Reproduce ``what`` of ``WHAT`` into the folder ``output``; finished trainings and days are in the user's cache
    folder.

    Args:
        what: table1, fig3, fig4, fig5 or all.
        output: Folder of the report, its figures, tables and cases; may exist.
        full: Everything at the paper's size, instead of the quick reductions.
        console: Where progress goes; None for silence.
        workers: Processes; 1 computes in this one, None takes one a core.
        zones: Instead of the ten of the study; unique, at least ten.
        train: Do without the trainings that ship with the package: rows that would use them are missing.

    Returns and raises as ``reproduce``; also experiments.errors.UsageError: too few zones, or one twice.
    """
    effort = FULL if full else QUICK
    if train:
        effort = replace(effort, uses_shipped=False)
    if zones is not None:
        if len(set(zones)) < max(len(zones), fig5.SURFACE_SERVERS):
            raise UsageError(
                f"the study needs {fig5.SURFACE_SERVERS} or more zones, each once, got {len(zones)}: {', '.join(zones)}"
            )
        effort = replace(effort, zones=zones)
    return reproduce(
        what, effort, Bench(cache_dir() / "reproduce-fei", output, console, workers or cpu_count())
    )


def reproduce(what: str, effort: Effort, bench: Bench) -> dict[str, Any]:
    """Reproduce ``what`` of ``WHAT`` at ``effort``.

    Returns:
        ``claims`` (verdict, paper, ours, rule by name), ``tables`` (rows by name), ``run`` and ``report`` (paths).

    Raises:
        ValueError: unknown ``what``.
        carbon_data.types.DataError: data files are missing; the message says which and how to get them.
    """
    if what not in WHAT:
        raise ValueError(f"cannot reproduce {what!r}; allowed are {', '.join(WHAT)}")
    began = time.perf_counter()
    data = find_data(effort)
    world = placement.intensities(effort.zones)
    plan = _plan(what, effort, data, bench)
    rows = _rows(plan, effort, bench)
    found = _Findings()
    frame = table1.table(rows.outcomes, why_absent(plan), world)
    if what in _NEEDS_TABLE:
        _judge_table(found, what, frame, rows, world)
    if what in ("fig4", "all"):
        _judge_stages(found, rows, world)
    found.judged = marked(found.judged, whatever_rounds(found.judged, rows.outcomes, world))
    cpu = rows.cpu_s
    lines: pd.DataFrame | None = None
    if what in ("fig5", "all"):
        lines, spent = _judge_markets(found, rows, effort, bench)
        cpu += spent
    found.tables["inconsistencies"] = inconsistencies.table(
        world, lines, frame if what in _NEEDS_TABLE else None
    )
    page = report.Page(
        title="Net-zero network AI: the DETA case study reproduced",
        kicker=f"detabed reproduce {what} --{effort.name} · Zhang et al., IEEE Communications Magazine, "
        "Table I, Figs. 3 to 5",
        claims=found.judged,
        sections=found.sections,
        notes=found.tables["inconsistencies"],
        assumptions=assumptions.study_assumptions(effort, world, [text for _, _, text in data.values()]),
        notices=notices(effort, plan, frame, world),
        command=f"detabed reproduce {what} --{effort.name}",
        origins=[(model, text) for model, (_, _, text) in data.items()]
        + [("intensity", f"{world.origin.source}; {world.origin.licence}")],
        cost=[
            ("CPU seconds of all trainings and days, cached ones included", f"{cpu:.0f}"),
            ("wall seconds of this run", f"{time.perf_counter() - began:.0f}"),
        ],
        by_reading=found.tables.get("claims_by_reading"),
        extra_tables={name: table for name, table in found.tables.items() if name in _EXTRA_TABLES},
    )
    path = report.write(page, bench.output, bench.console)
    answer = {
        "claims": {name: judgement.as_dict() for name, judgement in found.judged.items()},
        "tables": {name: table_records(table) for name, table in found.tables.items()},
        "effort": effort.name,
        "cpu_s": cpu,
        "run": str(bench.output),
        "report": str(path),
    }
    (bench.output / "reproduce.json").write_text(
        json.dumps(answer, indent=1, allow_nan=False), encoding="utf-8"
    )
    return answer


@dataclass(frozen=True)
class _Rows:
    """Rows of Table I as they were trained."""

    whole: dict[Row, Outcome]
    """Of the paper's size."""
    scaled: dict[Row, Outcome]
    outcomes: dict[Row, Outcome]
    """Each row once: of the paper's size where that gives energy, else scaled."""
    seeded: dict[int, dict[Row, Outcome]]
    by_rate: ByRate
    cpu_s: float
    """Of all trainings of this machine behind them."""


@dataclass
class _Findings:
    """What the parts of the study found, for the page and the answer."""

    judged: dict[str, Judgement] = field(default_factory=lambda: dict(parameter_claims()))
    sections: list[report.Section] = field(default_factory=list)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)


def _plan(what: str, effort: Effort, data: dict[str, tuple[str, int, str]], bench: Bench) -> Plan:
    sizes = {name: (known, count) for name, (known, count, _) in data.items()}
    only = None if what in _NEEDS_TABLE else fig4.ROWS
    plan = make_plan(effort, sizes, bench.cache, recycled=fig4.ROWS, only=only)
    if not effort.uses_shipped and bench.console is not None:
        costs.announce(plan, bench.cache, bench.workers, bench.console)
    return plan


def _rows(plan: Plan, effort: Effort, bench: Bench) -> _Rows:
    whole, scaled, spent = trained(plan, effort, bench)
    seeded, again = trained_again(plan, whole, bench)
    by_rate, at_rates = trained_at_rates(plan, effort, bench)
    # A row of the paper's size whose block has none to calibrate with gives rounds but no energy: then the scaled one.
    outcomes = scaled | {
        row: seen for row, seen in whole.items() if seen.calibration is not None or row not in scaled
    }
    return _Rows(whole, scaled, outcomes, table1.covering(seeded, whole), by_rate, spent + again + at_rates)


def _judge_table(
    found: _Findings, what: str, frame: pd.DataFrame, rows: _Rows, world: placement.Intensities
) -> None:
    """Table I and Figure 3."""
    check = table1.scaling_check(rows.whole, rows.scaled)
    seeds = table1.by_seed(rows.seeded, world)
    headline = table_claims(frame, check, seeds)
    own = rates.own(rows.outcomes, rows.scaled)
    every_rate = own | {key: seen for key, seen in rows.by_rate.items() if seen or key not in own}
    tables = {
        "table1": frame,
        "seeds": seeds,
        "errors": table1.errors(frame),
        "rates": rates.table(every_rate),
        "rate_errors": rates.errors(every_rate),
        "calibrations": table1.calibrations(rows.outcomes, rows.whole, rows.scaled),
        "scaling": check,
        "claims_by_reading": every_reading(frame, check, seeds, headline),
    }
    found.judged |= headline
    found.tables |= tables
    found.sections += table_sections(what, tables)


def _judge_stages(found: _Findings, rows: _Rows, world: placement.Intensities) -> None:
    """Figure 4."""
    shares = fig4.shares(fig4.table(rows.outcomes, world))
    by_seed = fig4.by_seed(rows.seeded, world)
    found.judged |= stage_claims(shares, by_seed)
    found.tables |= {"stages": shares, "stages_seeds": by_seed}
    found.sections.append(stage_section(shares, by_seed))


def _judge_markets(found: _Findings, rows: _Rows, effort: Effort, bench: Bench) -> tuple[pd.DataFrame, float]:
    """Figure 5 and the surface; returns the lines of the figure, and CPU seconds."""
    lines, means, points, spent = market_days(rows.outcomes, effort, bench)
    found.judged |= market_claims(lines)
    found.judged |= surface_claims(means, effort.zones)
    found.tables |= {"fig5": lines, "surface": means, "surface_seeds": points}
    found.sections.append(market_section(lines, means, effort.zones))
    return lines, spent


def table_records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON: missing is null, never zero."""
    return json.loads(frame.to_json(orient="records", double_precision=15))  # type: ignore[no-any-return]
