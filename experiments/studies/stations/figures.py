"""Figures of the study: policies side by side, and what the settings change."""

from __future__ import annotations

import numpy as np
import pandas as pd

from experiments.report.figures.base import Drawing, new_figure, percent_axis
from experiments.report.figures.look import look
from experiments.report.style import MUTED, policy_colour, policy_label, policy_marker

APART = 0.24
"""Between the marks of two policies in a row, of the row's height."""


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
    axes.set_yticks(at, [policy_label(name) for name in policies["policy"]])
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
    figure = new_figure(0.26 * len(labels) + 1.4)
    axes = figure.subplots()
    names = list(dict.fromkeys(own["policy"]))
    # A little apart, so that equal figures do not hide each other.
    apart = APART * (np.arange(len(names)) - (len(names) - 1) / 2)
    for shift, name in zip(apart, names, strict=True):
        rows = own[own["policy"] == name]
        at = [labels.index(label) + shift for label in rows["setting"] + ": " + rows["value"]]
        axes.plot(
            rows["reduction_fraction"],
            at,
            policy_marker(name),
            ms=5,
            color=policy_colour(name),
            label=policy_label(name),
        )
    first = own.drop_duplicates("setting")
    for label in (first["setting"] + ": " + first["value"]).iloc[1:]:
        axes.axhline(labels.index(label) - 0.5, color=MUTED, lw=0.6)
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    percent_axis(axes.xaxis)
    axes.set_xlabel("fewer grams than always-on in the same setting")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=3)
    return Drawing(
        name="sensitivity",
        title="What the survey leaves open",
        caption=(
            "One setting changed at a time; all others as in stations.toml. SM1 to SM4: depths of sleep, the lightest "
            "first."
        ),
        alt="Reduction of each policy by setting",
        figure=figure,
        data=own,
    )
