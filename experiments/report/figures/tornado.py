"""Tornado figure: sensitivity of the result, a bar for every source of uncertainty from its low to its high end."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pandas as pd

from experiments.report import style, units
from experiments.report.figures.base import Drawing, new_figure, no_grid, percent_axis
from experiments.report.lifecycle.tornado import Answer, Tornado, tornado
from experiments.report.read import Study

LOW_COLOUR, HIGH_COLOUR = "#4477aa", "#d08b2e"


def what_it_depends_on(study: Study) -> Drawing | None:
    """Reduction and grams per hour side by side; None where nothing was emitted."""
    found = tornado(study)
    if found is None or not found.bars:
        return None
    label = style.policy_label(found.policy)
    figure = new_figure(1.35 + 0.42 * len(found.bars))
    per_hour = units.grams_scale(max(abs(bar.high.per_hour_g) for bar in found.bars))
    panels: list[tuple[str, Callable[[Answer], float], Callable[[float], str]]] = []
    if found.baseline is not None:
        against = f"reduction against {found.baseline.upper()}"
        panels.append((against, lambda a: a.reduction or 0.0, units.percent))
    panels.append(
        (
            f"fleet, {per_hour.unit} CO₂e per hour",
            lambda a: a.per_hour_g * per_hour.factor,
            lambda value: f"{units.number(value)}{units.THIN}{per_hour.unit}",
        )
    )
    drawing = Drawing(
        name="tornado",
        title="Sensitivity of the result",
        caption=(
            f"{label}, whole testbed. One source at a time at its low (blue) and its high end (orange), the others "
            "as booked (line). Zones and meters: the central 95 % of draws with that error alone. Embodied emissions "
            "and the harvest's life cycle are left out of the booked figures: from there to where they are counted. "
            "Decisions stay those made under the booked network factor; the ends only rescale booked lines."
            + "".join(f" No bar for {name}: {why}." for name, why in found.not_given.items())
        ),
        alt="",
        figure=figure,
        data=_rows(found),
    )
    axes: Any = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    words: list[str] = []
    for ax, (name, value, text) in zip(axes, panels, strict=True):
        _panel(ax, found, name, value, text, drawing, words)
    axes[0].set_yticks(range(len(found.bars)), [bar.source for bar in found.bars])
    axes[0].set_ylim(len(found.bars) - 0.5, -0.5)
    drawing.alt = "; ".join(words)
    return drawing


def _panel(
    ax: Any,
    found: Tornado,
    name: str,
    value: Callable[[Answer], float],
    text: Callable[[float], str],
    drawing: Drawing,
    words: list[str],
) -> None:
    booked = value(found.booked)
    for y, bar in enumerate(found.bars):
        for end, colour, what in ((bar.low, LOW_COLOUR, bar.low_is), (bar.high, HIGH_COLOUR, bar.high_is)):
            at = value(end)
            patch = ax.barh(y, at - booked, left=booked, height=0.62, color=colour, lw=0)[0]
            said = f"{bar.source}, {what}: {text(at)}"
            drawing.tip(patch, f"{said}\nas booked {text(booked)}")
            words.append(f"{name}, {said}")
        left, right = sorted((value(bar.low), value(bar.high)))
        for at, shift, side in ((left, -5, "right"), (right, 5, "left")):
            if math.isclose(at, booked):
                continue
            ax.annotate(
                text(at), (at, y), (shift, 0), textcoords="offset points", va="center", ha=side, fontsize=8
            )
    ax.axvline(booked, color=style.INK, lw=1)
    low, high = ax.get_xlim()
    ax.set_xlim(low - 0.24 * (high - low), high + 0.24 * (high - low))
    if name.startswith("reduction"):
        percent_axis(ax.xaxis)
    ax.set_xlabel(name)
    ax.tick_params(axis="y", length=0)
    no_grid(ax, "y")


def _rows(found: Tornado) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "policy": found.policy,
                "baseline": found.baseline,
                "source": bar.source,
                "end": end,
                "is": what,
                "reduction_fraction": answer.reduction,
                "per_hour_g": answer.per_hour_g,
                "booked_reduction_fraction": found.booked.reduction,
                "booked_per_hour_g": found.booked.per_hour_g,
            }
            for bar in found.bars
            for end, what, answer in (("low", bar.low_is, bar.low), ("high", bar.high_is, bar.high))
        ]
    )
