"""The study's page: checks, both-ways statements, figures, tables, assumptions; one file, nothing loaded from afar."""

from __future__ import annotations

from typing import Any

import pandas as pd

from experiments.report.claims.shown import own_checks
from experiments.report.figures.base import Drawing
from experiments.report.study_page import Shown, render_study


def mechanisms_for_people(table: pd.DataFrame) -> Shown:
    """Millijoules, milliseconds and percent."""
    rows = [
        [
            f"{row['rate_bit_per_s'] / 1e6:.2f}",
            str(row["option"]) + (f" ({row['runs']})" if row["runs"] != row["option"] else ""),
            str(row["workload"]),
            f"{row['accuracy_fraction']:.1%}",
            f"{row['terminal_j'] * 1e3:.2f}",
            f"{row['system_j'] * 1e3:.2f}",
            f"{row['terminal_static_j'] * 1e3:.1f}",
            f"{row['latency_s'] * 1e3:.1f}",
            f"{row['up_bytes']:.0f}",
        ]
        for row in table.to_dict("records")
    ]
    columns = [
        "Mbit/s",
        "option",
        "workload",
        "accuracy",
        "terminal mJ",
        "system mJ",
        "static mJ meanwhile",
        "latency ms",
        "bytes up",
    ]
    return Shown(columns, rows)


def widths_for_people(table: pd.DataFrame) -> Shown:
    """Percent, kilobytes and millijoules by width."""
    rows = [
        [
            f"{row['width_fraction']:g}",
            f"{row['pruned_accuracy_fraction']:.1%}",
            f"{row['distilled_accuracy_fraction']:.1%}",
            f"{row['alone_accuracy_fraction']:.1%}",
            f"{row['model_bytes'] / 1e3:.1f}",
            f"{row['terminal_j'] * 1e3:.2f}",
        ]
        for row in table.to_dict("records")
    ]
    return Shown(["width", "pruned", "distilled", "labels alone", "model kB", "terminal mJ"], rows)


def quantisation_for_people(table: pd.DataFrame) -> Shown:
    """Percent, kilobytes, millijoules and milliseconds by number format."""
    rows = [
        [
            str(row["option"]),
            f"{row['operation_cost_fraction']:g}",
            f"{row['accuracy_fraction']:.1%}",
            f"{row['model_bytes'] / 1e3:.1f}",
            f"{row['terminal_j'] * 1e3:.2f}",
            f"{row['system_j'] * 1e3:.2f}",
            f"{row['latency_s'] * 1e3:.1f}",
        ]
        for row in table.to_dict("records")
    ]
    columns = [
        "option",
        "cost of an operation",
        "accuracy",
        "model kB",
        "terminal mJ",
        "system mJ",
        "latency ms",
    ]
    return Shown(columns, rows)


def users_for_people(table: pd.DataFrame) -> Shown:
    """Millijoules, milliseconds and percent by scene, number of users and way."""
    rows = [
        [
            f"{row['rate_bit_per_s'] / 1e6:.2f}",
            f"{row['server_flop_per_s'] / 1e9:g}",
            str(row["users"]),
            str(row["way"]),
            str(row["runs"]),
            f"{row['terminal_j'] * 1e3:.2f}",
            f"{row['system_j'] * 1e3:.2f}",
            f"{row['latency_p50_s'] * 1e3:.1f}",
            f"{row['latency_p95_s'] * 1e3:.1f}",
            f"{row['late_fraction']:.0%}",
        ]
        for row in table.to_dict("records")
    ]
    columns = [
        "Mbit/s of one",
        "server GFLOP/s",
        "users",
        "way",
        "runs",
        "terminal mJ",
        "system mJ",
        "p50 ms",
        "p95 ms",
        "late",
    ]
    return Shown(columns, rows)


def video_for_people(table: pd.DataFrame) -> Shown:
    """Percent, bytes, millijoules and milliseconds by rate, way and model."""
    rows = [
        [
            f"{row['rate_bit_per_s'] / 1e6:.2f}",
            str(row["way"]),
            str(row["model"]),
            f"{row['accuracy_fraction']:.1%}",
            f"{row['up_bytes']:.0f}",
            f"{row['terminal_j'] * 1e3:.2f}",
            f"{row['system_j'] * 1e3:.2f}",
            f"{row['latency_s'] * 1e3:.1f}",
        ]
        for row in table.to_dict("records")
    ]
    columns = ["Mbit/s", "way", "model", "accuracy", "bytes up", "terminal mJ", "system mJ", "latency ms"]
    return Shown(columns, rows)


def timings_for_people(table: pd.DataFrame) -> Shown:
    """Wall-clock medians in milliseconds."""
    names = {
        "terminal_wall_s": "terminal ms",
        "send_wall_s": "send ms",
        "send_at_rate_s": "send at the rate ms",
        "answer_wall_s": "answer ms",
    }
    rows = [
        [
            f"{row['rate_bit_per_s'] / 1e6:.2f}",
            str(row["option"]),
            *(f"{row[name] * 1e3:.2f}" for name in names),
        ]
        for row in table.to_dict("records")
    ]
    return Shown(["Mbit/s", "option", *names.values()], rows)


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
