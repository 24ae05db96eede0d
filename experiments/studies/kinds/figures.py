"""Figures of the study."""

from __future__ import annotations

import pandas as pd

from experiments.report.figures.base import Drawing, new_figure, percent_axis
from experiments.report.figures.look import look
from experiments.report.style import MUTED, policy_colour


@look()
def accuracy_and_grams(runs: pd.DataFrame, kinds: pd.DataFrame) -> Drawing:
    """Accuracy of the global model and of the nodes' own against the grams of a run, kind by kind."""
    shown = kinds[::-1].reset_index(drop=True)
    figure = new_figure(0.5 + 0.36 * len(shown))
    left, right = figure.subplots(1, 2, sharey=True)
    place = {kind: at for at, kind in enumerate(shown["kind"])}
    at = [place[kind] for kind in runs["kind"]]
    left.scatter(runs["accuracy"], at, s=20, color=policy_colour("deta"), label="global model, all classes")
    left.scatter(
        runs["personal_accuracy"],
        at,
        s=20,
        marker="x",
        color=policy_colour("local"),
        label="own model, own classes",
    )
    left.set_xlim(0, 1)
    percent_axis(left.xaxis)
    left.set_xlabel("accuracy on held-out data")
    right.scatter(runs["emissions_g"], at, s=20, color=MUTED)
    right.set_xlim(0)
    right.set_xlabel("g CO2e")
    left.set_yticks(range(len(shown)), shown["title"])
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper left", ncols=2)
    best = kinds.sort_values("accuracy").dropna(subset="accuracy").iloc[-1]
    return Drawing(
        name="kinds",
        title="Accuracy and grams of each kind",
        caption="A point is a run. Own models are measured after the last local training, on held-out examples in the "
        "proportions of the node’s classes.",
        alt=f"The most accurate global model is that of {best['title']}, {best['accuracy']:.1%}",
        figure=figure,
        data=runs,
    )
