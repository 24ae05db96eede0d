"""The study's page: tables for people, assumptions and weaknesses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from experiments.report import units
from experiments.report.claims.shown import ClaimGroup, own_checks
from experiments.report.figures.base import Drawing
from experiments.report.study_page import Shown, render_study
from experiments.studies.tokens.measured.meter import BOARD, machine
from experiments.studies.tokens.modelled.figures import LABELS, MG
from experiments.studies.tokens.modelled.trace import LONGEST_TOKENS

MJ = 1e3


def page_of(
    report: Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame],
    drawings: list[tuple[Drawing, str]],
    of_measured: Sequence[str],
) -> str:
    """HTML of the study; ``of_measured`` are the checks of the measured part."""
    processor, cores = machine()
    return render_study(
        "experiments.studies.tokens",
        f"SmolLM2-135M served by llama.cpp on one thread. Measured on this machine ({processor}, {cores}): CPU time of "
        f"the server's process at {report['costs']['watts_per_core']:.3g} W, a busy core of {BOARD} above rest. "
        "Modelled with these costs: a day of real requests in ten zones, batches, sleep.",
        drawings,
        [
            ("Kinds of file", _kinds(tables["kinds"])),
            ("Length of the prompt", _contexts(tables["contexts"])),
            ("Requests at once", _batches(tables["batches"])),
            ("Disaggregated against whole", _hand_over(tables["hand-over"])),
            ("Cost model", _costs(report["costs"])),
            ("Modelled: a day in ten zones", _routing(tables["routing"])),
            ("Modelled: what a hand-over needs to pay", _settings(tables["routing-settings"])),
            ("Modelled: batches", _batching(tables["batching"])),
            ("Modelled: sleep between requests", _waking(tables["waking"])),
        ],
        claims=[
            replace(group, title=title)
            for title, group in (
                ("Measured", _checks(report, lambda name: name in of_measured)),
                ("Modelled with what was measured", _checks(report, lambda name: name not in of_measured)),
            )
        ],
        assumptions=(*ASSUMPTIONS, _left_out(report), *MODELLED),
    )


ASSUMPTIONS = (
    "Joules are not read from a sensor: they are CPU seconds of this machine's processor at another board's watts "
    "for a busy core. Ratios of joules are ratios of CPU time here; joules themselves are as good as the watts.",
    "What a board draws at rest, its memory and its radio are not in the measured joules.",
    "Q4_0, Q8_0 and F16 are made of the Q4_1 file: what it lost stays lost, so that F16 is not the original "
    "model.",
    "Perplexity is over the Shakespeare text as it stands, each token given those before it in its window, by the "
    "server that writes (one token a step); the model was trained for conversation.",
    "The hand-over's joules are of both servers and of the process that ships the cache, on the loopback.",
)


PHASES = {"prefill": "read", "decode": "written"}
"""What a token is, by the phase that the server names."""
ROUNDING = 1e-9
"""Half widths below this share of their figure are rounding: the figure has no spread."""
MODELLED = (
    "A node of the modelled part computes as fast as a core of this machine and draws that board's watts. Costs "
    "of prompts longer than those measured are the model's own, beyond what it was fitted to.",
    "The day: ten boards with 20 W panels and 27 Wh batteries in ten US zones, as in the DETA paper's Figure 5, "
    "intensities of 2022 known ahead. Homes of requests are drawn. A policy moves requests as batches of their "
    "hour's mean joules; grams are then of the requests' own joules, with the green energy that the plan let the "
    "node use.",
    "Latency: each node takes requests in the order in which they come, one at a time; a cable between zones is "
    "1.5 times the great circle at 200,000 km/s, and 50 Mbit/s. A policy plans a node busy for at most half of an "
    "hour (all of these are choices). Targets are looked at without waiting, so that queues can still make "
    "answers late.",
    "Batches and sleep (TREE paper, section III): the paper leaves open the largest batch, the longest wait, the "
    "links, how the next request is predicted and when a node sleeps. They are parameters here; the tables vary "
    "each. Links are log-normal about their rate; a prompt is text of four bytes a token. A node is expected to "
    "know when a prompt that was announced will have come.",
    "Points of operation (DVFS) are not modelled: the profile of the study's board has none. It states one busy "
    "power, and the packaged readings by component are at one clock while the board computes (Raspberry Pi 4B: 1.5 "
    "GHz). What is missing is, for that board, watts and the seconds of a token read and written at two clocks or "
    "more.",
)


def _left_out(report: Mapping[str, Any]) -> str:
    said = ", ".join(f"{units.percent(share, 0)} of {trace}" for trace, share in report["left_out"].items())
    return (
        "Traces: Azure's of November 2023, an hour of each stretched over a day, so that there is no night in them. "
        f"Requests of more than {LONGEST_TOKENS:,} tokens in and out are left out for all policies: {said}."
    )


def _checks(report: Mapping[str, Any], chosen: Callable[[str], bool]) -> ClaimGroup:
    (group,) = own_checks({name: check for name, check in report["checks"].items() if chosen(name)})
    return group


def _routing(table: pd.DataFrame) -> Shown:
    return Shown(
        [
            "trace",
            "policy",
            "mg per 1,000 tokens",
            "over LOCAL's",
            "of it serving, mg",
            "moved",
            "handed over",
            "first token, median s",
            "95 %",
            "answer, median s",
            "95 %",
            "late",
        ],
        [
            [
                row["trace"],
                LABELS[row["policy"]],
                units.number(MG * row["g_per_1000_tokens"]),
                between(row, "over_local"),
                units.number(MG * row["serving_g_per_1000_tokens"]),
                units.percent(row["moved_fraction"], 1),
                units.percent(row["handed_over_fraction"], 2),
                *(units.number(row[f"first_token_{which}_s"]) for which in ("median", "p95")),
                *(units.number(row[f"answer_{which}_s"]) for which in ("median", "p95")),
                units.percent(row["late_fraction"], 1),
            ]
            for row in table.to_dict("records")
        ],
    )


def _settings(table: pd.DataFrame) -> Shown:
    return Shown(
        [
            "setting",
            "policy",
            "mg per 1,000 tokens",
            "of it serving, mg",
            "serving, kJ",
            "handed over",
            "answer, 95 % s",
        ],
        [
            [
                row["setting"],
                LABELS[row["policy"]],
                units.number(MG * row["g_per_1000_tokens"], 5),
                units.number(MG * row["serving_g_per_1000_tokens"]),
                units.number(row["serving_j"] / 1e3, 5),
                units.percent(row["handed_over_fraction"], 2),
                units.number(row["answer_p95_s"]),
            ]
            for row in table.to_dict("records")
        ],
    )


def _batching(table: pd.DataFrame) -> Shown:
    return Shown(
        [
            "rule",
            "load",
            "links, kbit/s",
            "largest",
            "wait, s",
            "mJ a token",
            "TREE, Mbit/J",
            "mean batch",
            "answer, median s",
            "95 %",
            "stood still",
        ],
        [
            [
                row["rule"],
                units.percent(row["load"], 0),
                units.trimmed(row["link_bit_per_s"] / 1e3),
                str(row["largest"]),
                units.trimmed(row["longest_wait_s"]),
                units.number(MJ * row["j_per_token"]),
                units.number(row["tree_bit_per_j"] / 1e6),
                units.number(row["mean_batch"]),
                units.number(row["answer_median_s"]),
                units.number(row["answer_p95_s"]),
                units.percent(row["stood_still_fraction"], 1),
            ]
            for row in table.to_dict("records")
        ],
    )


def _waking(table: pd.DataFrame) -> Shown:
    return Shown(
        [
            "rule",
            "a request every, s",
            "idle, s",
            "early",
            "late",
            "J a token",
            "mg per 1,000 tokens",
            "wakes an hour",
            "mean wait, s",
            "95 %",
            "requests that wait",
        ],
        [
            [
                row["rule"],
                units.number(row["gap_s"]),
                units.trimmed(row["idle_s"]),
                units.percent(row["early_quantile"], 0),
                units.percent(row["late_quantile"], 0),
                units.number(row["j_per_token"]),
                units.number(MG * row["g_per_1000_tokens"]),
                units.number(row["wakes_per_hour"]),
                units.number(row["mean_wait_s"]),
                units.number(row["p95_wait_s"]),
                units.percent(row["waiting_fraction"], 1),
            ]
            for row in table.to_dict("records")
        ],
    )


def between(row: Mapping[Any, Any], name: str, factor: float = 1.0) -> str:
    """A figure with half of its interval."""
    value, high = row[name], row.get(f"{name}_high")
    if pd.isna(value):
        return units.NO_VALUE
    if high is None or pd.isna(high):
        return units.number(factor * value)
    half = high - value if high - value > ROUNDING * abs(value) else 0.0
    return f"{units.number(factor * value)} ± {units.number(factor * half, 2)}"


def _ratio(row: Mapping[Any, Any], name: str) -> str:
    """A ratio with the ends of its interval, which is not symmetric."""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    if pd.isna(low) or low == high:
        return units.number(row[name])
    return f"{units.number(row[name])} ({units.number(low)} to {units.number(high)})"


def _kinds(table: pd.DataFrame) -> Shown:
    return Shown(
        [
            "kind",
            "file, MB",
            "mJ a token read",
            "mJ a token written",
            "TREE, Mbit/J",
            "perplexity",
            "over Q4_1's",
        ],
        [
            [
                row["kind"],
                units.number(row["file_bytes"] / 1e6),
                between(row, "prefill_j_per_token", MJ),
                between(row, "decode_j_per_token", MJ),
                between(row, "tree_bit_per_j", 1e-6),
                units.number(row["perplexity"]),
                _ratio(row, "perplexity_ratio"),
            ]
            for row in table.to_dict("records")
        ],
    )


def _contexts(table: pd.DataFrame) -> Shown:
    return Shown(
        ["kind", "a token that is", "tokens of the prompt", "mJ a token"],
        [
            [row["kind"], PHASES[row["phase"]], str(row["tokens"]), between(row, "j_per_token", MJ)]
            for row in table.to_dict("records")
        ],
    )


def _batches(table: pd.DataFrame) -> Shown:
    return Shown(
        ["context", "requests at once", "mJ a token written"],
        [
            [str(row["context"]), str(row["requests"]), between(row, "j_per_token", MJ)]
            for row in table.to_dict("records")
        ],
    )


def _hand_over(table: pd.DataFrame) -> Shown:
    columns = ("whole_j", "read_j", "hand_over_j", "write_j", "apart_j")
    return Shown(
        [
            "tokens",
            "whole, J",
            "read, J",
            "hand-over, J",
            "write, J",
            "apart, J",
            "radio by the board's profile, J",
            "bytes a token",
            "same answers",
        ],
        [
            [
                str(row["tokens"]),
                *(between(row, name) for name in columns),
                units.number(row["radio_j"]),
                units.number(row["bytes_per_token"], 5),
                f"{row['same_answers']} of {row['answers']}",
            ]
            for row in table.to_dict("records")
        ],
    )


def _costs(costs: Mapping[str, Any]) -> Shown:
    said = (
        ("prefill", "prompt of n tokens", "a + b n + c n²/2"),
        ("step", "step for B requests, contexts ctx", "a + b B + c B ctx"),
    )
    return Shown(
        ["cost of a", "in joules", "a", "b", "c", "mean error, held out", "worst"],
        [
            [
                what,
                form,
                *(units.number(value) for value in costs[key]["coefficients"]),
                units.percent(costs[key]["mean_error_fraction"], 1),
                units.percent(costs[key]["worst_error_fraction"], 1),
            ]
            for key, what, form in said
        ],
    )
