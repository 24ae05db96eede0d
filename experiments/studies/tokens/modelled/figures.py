"""Figures of the modelled part: policies, hand-over by setting, batches, sleep."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from experiments.report.figures.base import Drawing, new_figure, percent_axis
from experiments.report.figures.look import look
from experiments.report.style import MUTED, OTHER_COLOURS, OTHER_MARKERS, policy_colour
from experiments.studies.tokens.modelled.batching import Release
from experiments.studies.tokens.modelled.routing import HANDED, POLICIES, REFINED
from experiments.studies.tokens.modelled.waking import Waking

LABELS = {
    "local": "LOCAL",
    "dat": "DAT",
    "deta": "DETA",
    REFINED: "DETA, by request",
    HANDED: "DETA, hand-over",
}
MG, MILLION = 1e3, 1e6


@look()
def policies(table: pd.DataFrame) -> Drawing:
    """Milligrams per 1,000 tokens and latency by policy, a colour a trace."""
    figure = new_figure(2.9)
    left, right = figure.subplots(1, 2, sharey=True)
    at = np.arange(len(POLICIES))
    for k, (trace, own) in enumerate(table.groupby("trace", sort=False)):
        rows = own.set_index("policy").loc[list(POLICIES)]
        place, colour = at + 0.34 * k - 0.17, (policy_colour("deta"), OTHER_COLOURS[0])[k % 2]
        left.barh(place, MG * rows["g_per_1000_tokens"], height=0.32, color=colour, label=str(trace))
        right.plot(rows["answer_p95_s"], place, "D", color=colour)
        right.plot(rows["answer_median_s"], place, "o", color=colour, mfc="none")
    left.set_yticks(at, [LABELS[name] for name in POLICIES])
    left.invert_yaxis()
    left.set_xlabel("mg CO2e per 1,000 tokens, rest included")
    right.set_xlim(0)
    right.set_xlabel("s to the end of an answer: ○ median, ◆ 95 %")
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper left", ncols=2)
    ends = table.groupby("policy")["g_per_1000_tokens"].mean()
    return Drawing(
        name="routing",
        title="Modelled: a day in ten zones",
        caption=(
            "Requests of two real traces, an hour stretched over a day, at ten boards with panels and batteries in ten "
            "US zones; means over days. DAT moves whole requests, DETA energy as well, both as the coordinator's "
            "policies plan each hour; by request: each request then moves if that has fewer grams; hand-over: it may "
            "also be read here and written there. Costs are those measured."
        ),
        alt=f"LOCAL {MG * ends['local']:.3g}, DETA {MG * ends['deta']:.3g} mg per 1,000 tokens",
        figure=figure,
        data=table,
    )


@look()
def settings(table: pd.DataFrame) -> Drawing:
    """What hand-over saves beyond whole requests, by setting."""
    grams = table.pivot_table("g_per_1000_tokens", "setting", "policy", sort=False)
    handed = table[table["policy"] == HANDED].set_index("setting")["handed_over_fraction"]
    names = list(dict.fromkeys(table["setting"]))
    saved = (1.0 - grams[HANDED] / grams[REFINED]).loc[names]
    figure = new_figure(0.36 * len(names) + 1.0)
    left, right = figure.subplots(1, 2, sharey=True)
    left.barh(range(len(names)), MILLION * saved, height=0.6, color=policy_colour("deta"))
    right.barh(range(len(names)), handed.loc[names], height=0.6, color=OTHER_COLOURS[0])
    left.set_yticks(range(len(names)), names)
    left.invert_yaxis()
    left.set_xlabel("grams saved by hand-over, in a million")
    right.set_xlabel("requests handed over")
    percent_axis(right.xaxis)
    right.xaxis.set_major_locator(MaxNLocator(4))
    return Drawing(
        name="hand-over-settings",
        title="Modelled: what a hand-over needs to pay",
        caption=(
            "One day of conversations. base: Wi-Fi's price of a byte, all nodes alike. Fast readers: every other node "
            "reads for a quarter of the joules (an assumption). Radio only: the network between boards costs nothing; "
            "bytes cost nothing: their radios neither, at 1 Gbit/s."
        ),
        alt=f"Hand-over saves at most {MILLION * saved.max():.2g} in a million",
        figure=figure,
        data=table,
    )


@look()
def batching(table: pd.DataFrame) -> Drawing:
    """Joules a token against the 95th percentile of answers, a marker a rule."""
    figure = new_figure(3.4)
    panels = sorted(set(table["link_bit_per_s"]))
    for axes, rate in zip(np.atleast_1d(figure.subplots(1, len(panels), sharey=True)), panels, strict=True):
        for k, rule in enumerate(Release):
            rows = table[
                (table["rule"] == rule)
                & (table["link_bit_per_s"] == rate)
                & (table["largest"] == 8)
                & (table["longest_wait_s"] == 2.0)
            ].sort_values("load")
            axes.plot(
                rows["answer_p95_s"],
                MG * rows["j_per_token"],
                f"{('o', 'D', 's')[k]}-",
                color=(MUTED, OTHER_COLOURS[1], policy_colour("deta"))[k],
                label=str(rule),
            )
            # The two kinds of batches lie beside each other: one of them has the labels.
            for row in () if rule is Release.BLIND else rows.to_dict("records"):
                axes.annotate(
                    f"{row['load']:.0%}",
                    (row["answer_p95_s"], MG * row["j_per_token"]),
                    (4, 4),
                    textcoords="offset points",
                    fontsize=8,
                    color=MUTED,
                )
        axes.set_xlim(0)
        axes.set_xlabel(f"s to the end of an answer, 95 %\nlinks about {rate / 1e3:,.0f} kbit/s")
    figure.axes[0].set_ylabel("mJ a token")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=3)
    return Drawing(
        name="batching",
        title="Modelled: batches",
        caption=(
            "One node, conversations, at loads of 20, 50 and 80 % of what it can do without batching; batches of at "
            "most eight, a wait of at most two seconds. Joules above rest. Other batches and waits are in the table."
        ),
        alt="Joules a token and latency of three rules at three loads",
        figure=figure,
        data=table,
    )


@look()
def waking(table: pd.DataFrame) -> Drawing:
    """Milligrams per 1,000 tokens against the mean wait, by gap between requests."""
    figure = new_figure(3.0)
    usual = table[
        (table["idle_s"] == 5.0) & (table["early_quantile"] == 0.2) & (table["late_quantile"] == 0.95)
    ]
    gaps = sorted(set(usual["gap_s"]))
    for axes, gap_s in zip(np.atleast_1d(figure.subplots(1, len(gaps))), gaps, strict=True):
        for k, rule in enumerate(Waking):
            (row,) = usual[(usual["rule"] == rule) & (usual["gap_s"] == gap_s)].to_dict("records")
            axes.plot(
                row["mean_wait_s"],
                MG * row["g_per_1000_tokens"],
                OTHER_MARKERS[k],
                ms=9,
                ls="none",
                color=(MUTED, OTHER_COLOURS[1], policy_colour("deta"))[k],
                label=str(rule),
            )
        axes.set_xlim(-1, 21)
        axes.set_ylim(0, 1.15 * MG * float(usual[usual["gap_s"] == gap_s]["g_per_1000_tokens"].max()))
        axes.set_xlabel(f"s of mean wait to wake\na request every {gap_s:,.0f} s")
    figure.axes[0].set_ylabel("mg CO2e per 1,000 tokens")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=3)
    return Drawing(
        name="waking",
        title="Modelled: sleep between requests",
        caption=(
            "Ten boards by themselves, all energy from the grid, conversations at three rates. Predictive: awake from "
            "the 20 % quantile of the last 50 gaps until the 95 % one. Other habits are in the table."
        ),
        alt="Grams and waits of three rules at three rates of requests",
        figure=figure,
        data=table,
    )
