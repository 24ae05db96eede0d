"""Figures of the measured part: kinds of file, contexts, batches, disaggregated against whole."""

from __future__ import annotations

import numpy as np
import pandas as pd

from experiments.report.figures.base import Drawing, new_figure
from experiments.report.figures.look import look
from experiments.report.style import OTHER_COLOURS, policy_colour
from experiments.studies.tokens.extent import REFERENCE_TOKENS

COLOURS = dict(
    zip(
        ("Q4_1", "Q4_0", "Q8_0", "F16"),
        (policy_colour("deta"), *OTHER_COLOURS[:3]),
        strict=True,
    )
)
MARKERS = {"Q4_1": "o", "Q4_0": "D", "Q8_0": "s", "F16": "^"}
MJ = 1e3


@look()
def kinds(table: pd.DataFrame) -> Drawing:
    """Joules of a token read and written, TREE and perplexity against the file's own, by kind, with intervals."""
    panels = (
        ("prefill_j_per_token", MJ, "mJ a token read"),
        ("decode_j_per_token", MJ, "mJ a token written"),
        ("tree_bit_per_j", 1e-6, "TREE, Mbit/J"),
        ("perplexity_ratio", 1.0, "perplexity over Q4_1's"),
    )
    figure = new_figure(2.3)
    names = list(table["kind"])
    for number, (axes, (column, factor, label)) in enumerate(
        zip(figure.subplots(1, len(panels), sharey=True), panels, strict=True)
    ):
        for place, row in enumerate(table.to_dict("records")):
            axes.errorbar(
                factor * row[column],
                place,
                xerr=_ends(pd.DataFrame([row]), column, factor),
                fmt=MARKERS[row["kind"]],
                color=COLOURS[row["kind"]],
                capsize=3,
            )
        axes.set_xlim(0, 1.12 * factor * float(np.nanmax(table[[column, f"{column}_high"]].to_numpy(float))))
        axes.set_xlabel(label)
        if number == 0:
            axes.set_yticks(range(len(names)), names)
            axes.set_ylim(len(names) - 0.5, -0.5)
    least = table.sort_values("prefill_j_per_token").iloc[0]
    return Drawing(
        name="kinds",
        title="Kinds of file",
        caption=(
            f"The same model in four kinds, prompts of {REFERENCE_TOKENS} tokens of the Shakespeare text; TREE of a "
            "request of 128 tokens in and 64 out. Bars are 95 % intervals over rounds (perplexity: over windows of the "
            "text, each against the same in Q4_1). All but Q4_1 are made of the Q4_1 file. Joules: CPU time of the "
            "server's process here at the board's watts."
        ),
        alt=f"{least['kind']} reads a token for the fewest joules: {MJ * least['prefill_j_per_token']:.3g} mJ",
        figure=figure,
        data=table,
    )


def _ends(rows: pd.DataFrame, column: str, factor: float) -> np.ndarray:
    """(2, n) lengths of bars below and above; nothing where there is no interval."""
    value = rows[column].to_numpy(float)
    below, above = rows[f"{column}_low"].to_numpy(float), rows[f"{column}_high"].to_numpy(float)
    return np.nan_to_num(factor * np.array([value - below, above - value]))


@look()
def contexts(table: pd.DataFrame) -> Drawing:
    """Joules of a token read and written against the length of the prompt."""
    figure = new_figure(3.5)
    panels = (("prefill", "mJ a token read"), ("decode", "mJ a token written"))
    for axes, (phase, label) in zip(figure.subplots(1, 2), panels, strict=True):
        for kind, colour in COLOURS.items():
            own = table[(table["kind"] == kind) & (table["phase"] == phase)].sort_values("tokens")
            axes.errorbar(
                own["tokens"],
                MJ * own["j_per_token"],
                yerr=_ends(own, "j_per_token", MJ),
                fmt=f"{MARKERS[kind]}-",
                color=colour,
                capsize=3,
                label=kind,
            )
        axes.set_xscale("log", base=2)
        axes.set_xticks(sorted(set(table["tokens"])), [str(n) for n in sorted(set(table["tokens"]))])
        axes.set_ylim(0)
        axes.set_xlabel("tokens of the prompt")
        axes.set_ylabel(label)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=len(COLOURS))
    own = table[(table["kind"] == "Q4_1") & (table["phase"] == "decode")].sort_values("tokens")
    first, last = own.iloc[0], own.iloc[-1]
    return Drawing(
        name="contexts",
        title="Length of the prompt",
        caption=(
            "Joules of a token read, and of a token written after that prompt, one request at a time; 95 % intervals "
            "over rounds."
        ),
        alt=(
            f"In Q4_1 a token written after {first['tokens']} tokens takes {MJ * first['j_per_token']:.3g} mJ, after "
            f"{last['tokens']} {MJ * last['j_per_token']:.3g} mJ"
        ),
        figure=figure,
        data=table,
    )


@look()
def batches(table: pd.DataFrame) -> Drawing:
    """Joules of a written token by requests at once, a line a context."""
    figure = new_figure(3.2)
    axes = figure.subplots()
    shown = sorted(set(table["context"]))
    for number, context in enumerate(shown):
        own = table[table["context"] == context].sort_values("requests")
        axes.errorbar(
            own["requests"],
            MJ * own["j_per_token"],
            yerr=_ends(own, "j_per_token", MJ),
            fmt=("o-", "D--", "s-.", "^:")[number % 4],
            color=(policy_colour("deta"), *OTHER_COLOURS)[number % 7],
            capsize=3,
            label=f"context {context}",
        )
    axes.set_xscale("log", base=2)
    axes.set_xticks(sorted(set(table["requests"])), [str(n) for n in sorted(set(table["requests"]))])
    axes.set_ylim(0)
    axes.set_xlabel("requests written at once")
    axes.set_ylabel("mJ a token written")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=len(shown))
    return Drawing(
        name="batches",
        title="Requests at once",
        caption="Joules of a token written, Q4_1, by how many requests a step writes for; 95 % intervals over rounds.",
        alt="Joules of a written token by batch and context",
        figure=figure,
        data=table,
    )


@look()
def hand_over(table: pd.DataFrame) -> Drawing:
    """Whole beside disaggregated, in parts, by length of prompt."""
    figure = new_figure(3.2)
    axes = figure.subplots()
    at = np.arange(len(table))
    axes.bar(at - 0.2, table["whole_j"], width=0.36, color=policy_colour("local"), label="one server")
    below = np.zeros(len(table))
    parts = (
        ("read_j", "read here", OTHER_COLOURS[0]),
        ("hand_over_j", "cache taken, shipped, put", OTHER_COLOURS[1]),
        ("write_j", "written there", policy_colour("deta")),
    )
    for column, label, colour in parts:
        height = table[column].to_numpy(float)
        axes.bar(at + 0.2, height, bottom=below, width=0.36, color=colour, label=label)
        below = below + height
    axes.set_xticks(at, [str(int(n)) for n in table["tokens"]])
    axes.set_xlabel("tokens of the prompt")
    axes.set_ylabel("J a request")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=4)
    return Drawing(
        name="hand-over",
        title="Disaggregated against whole",
        caption=(
            "A request of 32 tokens out (Q4_1): one server reads and writes, or one reads and another writes with its "
            "cache, over the loopback. Joules of both servers and of the process that ships the cache; the radio is "
            "not in it."
        ),
        alt=f"Apart over whole: {', '.join(f'{ratio:.3f}' for ratio in table['ratio'])}",
        figure=figure,
        data=table,
    )
