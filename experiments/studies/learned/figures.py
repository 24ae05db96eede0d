"""Figures of the study: grams by policy and world, and the curve of the training."""

from __future__ import annotations

import pandas as pd
from matplotlib.ticker import MaxNLocator

from experiments.report.figures.base import Drawing, new_figure, percent_axis
from experiments.report.figures.look import look
from experiments.report.style import MUTED, policy_colour, policy_label, policy_marker


@look()
def by_world(worlds: pd.DataFrame) -> Drawing:
    """Grams as a share of LOCAL's, of every unseen world, in the order of the bound."""
    own = worlds[worlds["part"] == "unseen"].copy()
    own["share"] = own["emissions_g"] / own["local_g"]
    bound = (
        own.drop_duplicates("number")
        .assign(share=lambda rows: rows["bound_g"] / rows["local_g"])
        .sort_values("share")
    )
    place = {number: at for at, number in enumerate(bound["number"], start=1)}
    figure = new_figure(3.6)
    axes = figure.subplots()
    for policy, rows in own[own["policy"] != "local"].groupby("policy"):
        at = [place[number] for number in rows["number"]]
        colour, marker = policy_colour(str(policy)), policy_marker(str(policy))
        axes.scatter(at, rows["share"], s=22, color=colour, marker=marker, label=policy_label(str(policy)))
    axes.step(
        range(1, len(bound) + 1),
        bound["share"],
        where="mid",
        color=MUTED,
        lw=1.0,
        label="optimum with foresight",
    )
    axes.axhline(1.0, color=policy_colour("local"), lw=1.0, label="LOCAL")
    percent_axis(axes.yaxis)
    axes.set_ylabel("grams, share of LOCAL's")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("unseen worlds, by their optimum")
    axes.set_ylim(0)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=5)
    worst = own[own["policy"] == "rl"]["share"].max()
    return Drawing(
        name="worlds",
        title="Worlds that the training never saw",
        caption="Each place on the axis is a world: other zones and other days than those of the training.",
        alt=f"rl emits at most {worst:.0%} of LOCAL's grams in an unseen world",
        figure=figure,
        data=own,
    )


@look()
def curve(points: pd.DataFrame) -> Drawing:
    """Reduction against LOCAL over the training, exploration included."""
    figure = new_figure(2.8)
    axes = figure.subplots()
    axes.plot(points["steps"] / 1000, points["reduction_fraction"], color=policy_colour("rl"))
    axes.axhline(0.0, color=policy_colour("local"), lw=1.0)
    percent_axis(axes.yaxis)
    axes.set_ylabel("fewer grams than LOCAL")
    axes.set_xlabel("thousand slots of training")
    last = points.iloc[-1]
    return Drawing(
        name="curve",
        title="Training",
        caption="Mean over each rollout's episodes on the training worlds, with the noise of exploration.",
        alt=f"After {last['steps']:.0f} slots {last['reduction_fraction']:z.1%} fewer grams than LOCAL",
        figure=figure,
        data=points,
    )
