"""The study's page: checks, both-ways statements, figures, tables, assumptions; one file, nothing loaded from afar."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from experiments.report.claims.shown import own_checks
from experiments.report.figures.base import Drawing
from experiments.report.study_page import Shown, render_study
from experiments.studies.terminal.users_executed import beside_each_other


@dataclass(frozen=True)
class _Column:
    """A column for people: its heading, the table's column, and how a value is written."""

    heading: str
    name: str
    written: Callable[[Any], str] = str


def _times(factor: float, decimals: int) -> Callable[[Any], str]:
    return lambda value: f"{value * factor:.{decimals}f}"


def _percent(decimals: int) -> Callable[[Any], str]:
    return lambda value: f"{value:.{decimals}%}"


def _plain(value: Any) -> str:
    return f"{value:g}"


RATE = _Column("Mbit/s", "rate_bit_per_s", lambda value: f"{value / 1e6:.2f}")
OPTION = _Column("option", "option")
ACCURACY = _Column("accuracy", "accuracy_fraction", _percent(1))
UP = _Column("bytes up", "up_bytes", _times(1.0, 0))
MODEL = _Column("model kB", "model_bytes", lambda value: f"{value / 1e3:.1f}")
TERMINAL = _Column("terminal mJ", "terminal_j", _times(1e3, 2))
SYSTEM = _Column("system mJ", "system_j", _times(1e3, 2))
LATENCY = _Column("latency ms", "latency_s", _times(1e3, 1))


def _shown(table: pd.DataFrame, *columns: _Column) -> Shown:
    rows = [[column.written(row[column.name]) for column in columns] for row in table.to_dict("records")]
    return Shown([column.heading for column in columns], rows)


def mechanisms_for_people(table: pd.DataFrame) -> Shown:
    """Millijoules, milliseconds and percent; an option that chooses among others names the one that runs."""
    same = table["runs"] == table["option"]
    named = table["option"].where(same, table["option"] + " (" + table["runs"] + ")")
    return _shown(
        table.assign(option=named),
        RATE,
        OPTION,
        _Column("workload", "workload"),
        ACCURACY,
        TERMINAL,
        SYSTEM,
        _Column("static mJ meanwhile", "terminal_static_j", _times(1e3, 1)),
        LATENCY,
        UP,
    )


def executed_users_for_people(facts: pd.DataFrame, measured: pd.DataFrame) -> Shown:
    """Milliseconds, bytes and accuracy by option, users and offset: executed, and simulated."""
    milliseconds = _times(1e3, 2)
    return _shown(
        beside_each_other(facts, measured),
        OPTION,
        _Column("users", "users"),
        _Column("ms apart", "apart_s", _times(1e3, 0)),
        ACCURACY,
        UP,
        _Column("server ms, one user alone", "server_wall_s", milliseconds),
        _Column("waited there ms", "waited_wall_s", milliseconds),
        _Column("waited there ms, simulated", "waited_simulated_s", milliseconds),
        _Column("latency ms", "latency_wall_s", _times(1e3, 1)),
        _Column("latency ms, simulated", "latency_simulated_s", _times(1e3, 1)),
    )


def widths_for_people(table: pd.DataFrame) -> Shown:
    """Percent, kilobytes and millijoules by width."""
    return _shown(
        table,
        _Column("width", "width_fraction", _plain),
        _Column("pruned", "pruned_accuracy_fraction", _percent(1)),
        _Column("distilled", "distilled_accuracy_fraction", _percent(1)),
        _Column("labels alone", "alone_accuracy_fraction", _percent(1)),
        MODEL,
        TERMINAL,
    )


def quantisation_for_people(table: pd.DataFrame) -> Shown:
    """Percent, kilobytes, millijoules and milliseconds by number format."""
    cost = _Column("cost of an operation", "operation_cost_fraction", _plain)
    return _shown(table, OPTION, cost, ACCURACY, MODEL, TERMINAL, SYSTEM, LATENCY)


def users_for_people(table: pd.DataFrame) -> Shown:
    """Millijoules, milliseconds and percent by scene, number of users and way."""
    return _shown(
        table,
        replace(RATE, heading="Mbit/s of one"),
        _Column("server GFLOP/s", "server_flop_per_s", lambda value: f"{value / 1e9:g}"),
        _Column("users", "users"),
        _Column("way", "way"),
        _Column("runs", "runs"),
        UP,
        TERMINAL,
        SYSTEM,
        _Column("p50 ms", "latency_p50_s", _times(1e3, 1)),
        _Column("p95 ms", "latency_p95_s", _times(1e3, 1)),
        _Column("late", "late_fraction", _percent(0)),
    )


def video_for_people(table: pd.DataFrame) -> Shown:
    """Percent, bytes, millijoules and milliseconds by rate, way and model."""
    way, model = _Column("way", "way"), _Column("model", "model")
    return _shown(table, RATE, way, model, ACCURACY, UP, TERMINAL, SYSTEM, LATENCY)


def timings_for_people(table: pd.DataFrame) -> Shown:
    """Wall-clock medians in milliseconds."""
    return _shown(
        table,
        RATE,
        OPTION,
        _Column("terminal ms", "terminal_wall_s", _times(1e3, 2)),
        _Column("send ms", "send_wall_s", _times(1e3, 2)),
        _Column("send at the rate ms", "send_at_rate_s", _times(1e3, 2)),
        _Column("answer ms", "answer_wall_s", _times(1e3, 2)),
    )


def render(
    lead: str,
    checks: dict[str, Any],
    statements: list[str],
    figures: list[tuple[Drawing, str]],
    tables: list[tuple[str, Shown]],
    assumptions: list[str],
) -> str:
    """HTML of the page; ``figures`` with their SVG text."""
    return render_study(
        "experiments.studies.terminal",
        lead,
        figures,
        tables,
        claims=own_checks(checks),
        statements=statements,
        assumptions=assumptions,
    )
