"""Figures of the study: emissions over those without batteries, and regret of rolling decisions."""

from __future__ import annotations

import numpy as np
import pandas as pd

from experiments.report.figures.base import Drawing, new_figure, percent_axis
from experiments.report.figures.look import look
from experiments.report.style import MUTED, policy_colour


@look()
def emissions(cases: pd.DataFrame) -> Drawing:
    """Grams of each case over those without batteries."""
    figure = new_figure(0.42 * len(cases) + 1.2)
    axes = figure.subplots()
    at = np.arange(len(cases))
    axes.barh(at, cases["relative_fraction"], height=0.6, color=policy_colour("det"))
    for y, value in zip(at, cases["relative_fraction"], strict=True):
        axes.annotate(
            f"{100 * value:.1f} %", (value, y), xytext=(4, 0), textcoords="offset points", va="center"
        )
    axes.grid(visible=False, axis="y")
    axes.set_yticks(at, cases["case"])
    axes.invert_yaxis()
    axes.set_xlim(0, 1.12)
    percent_axis(axes.xaxis)
    axes.set_xlabel("grams, those without batteries = 100 %")
    return Drawing(
        name="emissions",
        title="Emissions with batteries, over those without",
        caption=(
            "Grams of the houses' grid energy. Both cases of exchange within (D6) are over the weeks, against no "
            "battery in the same weeks."
        ),
        alt="Emissions of each case over those without batteries",
        figure=figure,
        data=cases,
    )


@look()
def regret(policies: pd.DataFrame, weeks: pd.DataFrame) -> Drawing:
    """Grams above the optimum with foresight, by policy, and those of each week."""
    own = policies[policies["policy"] != "local"]
    names = [
        f"{policy.upper()}, {knowledge}" + (", with servers" if servers else "")
        for policy, knowledge, servers in zip(own["policy"], own["knowledge"], own["servers"], strict=True)
    ]
    figure = new_figure(0.5 * len(own) + 1.3)
    axes = figure.subplots()
    value = own["regret_fraction"].to_numpy()
    spread = np.array([value - own["regret_low"], own["regret_high"] - value], dtype=float)
    colours = [policy_colour(policy) for policy in own["policy"]]
    for k, row in enumerate(own.to_dict("records")):
        cell = ["policy", "knowledge", "servers"]
        each = weeks[(weeks[cell] == [row[name] for name in cell]).all(axis=1)]
        axes.plot(each["regret_fraction"], np.full(len(each), k + 0.18), "|", color=MUTED, ms=7)
    for k, colour in enumerate(colours):
        axes.errorbar(value[k], k, xerr=np.nan_to_num(spread[:, [k]]), fmt="o", color=colour, capsize=3)
    axes.axvline(0.0, color=MUTED, lw=1.0)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    percent_axis(axes.xaxis)
    axes.set_xlabel("grams above the optimum with foresight")
    return Drawing(
        name="regret",
        title="Regret of rolling decisions",
        caption=(
            "Decisions every hour that look 24 hours ahead, exchange loses 5 %; the optimum has the same freedoms and "
            "losses and knows the whole week. Bars: 95 % intervals over the weeks; strokes: single weeks."
        ),
        alt="Regret of DET and DETA",
        figure=figure,
        data=own,
    )
