"""Figures of the study: policies side by side, and what the settings change."""

from __future__ import annotations

import numpy as np
import pandas as pd

from experiments.report.figures.base import Drawing, new_figure, percent_axis
from experiments.report.figures.look import look
from experiments.report.style import policy_colour


@look()
def emissions(policies: pd.DataFrame) -> Drawing:
    """Grams and energy of each policy over always-on."""
    figure = new_figure(0.6 * len(policies) + 1.4)
    axes = figure.subplots()
    at = np.arange(len(policies))
    bars = (("energy_fraction", "energy", 0.5), ("emissions_fraction", "emissions", 1.0))
    for k, (column, label, alpha) in enumerate(bars):
        colours = [policy_colour(name) for name in policies["policy"]]
        axes.barh(
            at + 0.36 * (k - 0.5), policies[column], height=0.32, color=colours, alpha=alpha, label=label
        )
    axes.set_yticks(at, policies["policy"])
    axes.invert_yaxis()
    axes.axvline(1.0, color="0.5", lw=1.0)
    percent_axis(axes.xaxis)
    axes.set_xlabel("over always-on: energy (pale), emissions (full)")
    return Drawing(
        name="emissions",
        title="Energy and emissions of the policies",
        caption="Sums over the days, always-on = 100 %. Panels lower emissions further than energy.",
        alt="Energy and emissions of each policy over always-on",
        figure=figure,
        data=policies,
    )


@look()
def sensitivity(sweep: pd.DataFrame) -> Drawing:
    """Reduction of each policy against always-on in the same setting."""
    own = sweep[sweep["reduction_fraction"].notna()]
    labels = list(dict.fromkeys(own["setting"] + ": " + own["value"]))
    figure = new_figure(0.24 * len(labels) + 1.4)
    axes = figure.subplots()
    for name, rows in own.groupby("policy", sort=False):
        at = [labels.index(label) for label in rows["setting"] + ": " + rows["value"]]
        axes.plot(rows["reduction_fraction"], at, "o", color=policy_colour(str(name)), label=str(name))
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    percent_axis(axes.xaxis)
    axes.set_xlabel("fewer grams than always-on in the same setting")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=3)
    return Drawing(
        name="sensitivity",
        title="What the survey leaves open",
        caption="One setting changed at a time; all others as in stations.toml.",
        alt="Reduction of each policy by setting",
        figure=figure,
        data=own,
    )
