"""Reductions against both baselines, for nodes alone and for the whole testbed side by side."""

from __future__ import annotations

from typing import Any

import pandas as pd

from experiments.report import style, units
from experiments.report.baselines import BASELINES, ORIGIN, is_worked_out, there
from experiments.report.boundary import Boundary, shared_text
from experiments.report.figures.base import Drawing, new_figure, no_grid, percent_axis
from experiments.report.lifecycle.spread import Stated, stated_reduction
from experiments.report.measures import reductions_by_seed
from experiments.report.read import Study

OFFSET = {Boundary.NODES: -0.19, Boundary.TESTBED: 0.19}
SHOWN_FROM = -1.0
"""Intervals that reach further down are cut at this reduction: twice the baseline's emissions."""


def reductions(study: Study) -> Drawing | None:
    """Two marks a policy and baseline with their intervals; None when neither baseline was run."""
    named = there(study)
    shown = [policy for policy in study.policies if policy != "grid"]
    if not named or (named == ["local"] and shown == ["local"]) or not shown:
        return None
    figure = new_figure(1.25 + 0.62 * len(shown))
    axes: Any = figure.subplots(1, len(named), sharey=True, squeeze=False)[0]
    drawing = Drawing(
        name="reductions",
        title="Reductions against the baselines",
        caption=(
            "1 − policy / baseline, seed by seed, then averaged. Hollow: nodes alone; filled: whole testbed, with "
            f"{shared_text(study)}. Line: 95 % interval of boards, network factor, intensity"
            + (" and paired seeds; small dots: single seeds." if len(study.seeds) > 1 else "; one seed.")
            + " Draws rescale booked lines: under another network factor a policy may decide differently."
            + "".join(
                f" {b.upper()} was not run, so there is no panel for it." for b in BASELINES if b not in named
            )
            + (f" GRID is {ORIGIN}." if is_worked_out(study, "grid") else "")
        ),
        alt="",
        figure=figure,
        data=pd.DataFrame(),
    )
    rows: list[dict[str, Any]] = []
    words: list[str] = []
    for ax, baseline in zip(axes, named, strict=True):
        _panel(study, ax, baseline, shown, drawing, rows, words)
    axes[0].set_yticks(range(len(shown)), [style.policy_label(policy) for policy in shown])
    axes[0].set_ylim(len(shown) - 0.5, -0.5)
    drawing.alt = "Reductions: " + "; ".join(words)
    drawing.data = pd.DataFrame(rows)
    return drawing


def _panel(
    study: Study,
    ax: Any,
    baseline: str,
    shown: list[str],
    drawing: Drawing,
    rows: list[dict[str, Any]],
    words: list[str],
) -> None:
    for y, policy in enumerate(shown):
        if policy == baseline:
            ax.text(0, y, "   baseline", va="center", color=style.MUTED, fontsize=9)
            continue
        for boundary in Boundary:
            value = stated_reduction(study, policy, baseline, boundary)
            if value is None:
                ax.text(0, y, "  no seed in common", va="center", color=style.MUTED, fontsize=9)
                break
            _mark(study, ax, y + OFFSET[boundary], value, drawing, rows, words)
    ax.set_title(f"against {style.policy_label(baseline)}")
    ax.axvline(0, color=style.MUTED, lw=1)
    low, high = ax.get_xlim()
    low, high = min(max(low, SHOWN_FROM), -0.02), max(high, 0.05)
    ax.set_xlim(low, high + 0.22 * (high - low))
    percent_axis(ax.xaxis)
    ax.set_xlabel("reduction of emissions")
    ax.tick_params(axis="y", length=0)
    no_grid(ax, "y")


def _mark(
    study: Study,
    ax: Any,
    y: float,
    value: Stated,
    drawing: Drawing,
    rows: list[dict[str, Any]],
    words: list[str],
) -> None:
    colour = style.policy_colour(value.policy)
    by_seed = reductions_by_seed(study, value.policy, value.baseline, value.boundary) or []
    for seed, one in zip(study.runs[value.policy], by_seed, strict=True):
        if one is None:
            continue
        rows.append(
            {
                "policy": value.policy,
                "baseline": value.baseline,
                "boundary": value.boundary.value,
                "seed": seed,
                "reduction_fraction": one,
                "mean_fraction": value.reduction,
                "low_fraction": value.together.low,
                "high_fraction": value.together.high,
            }
        )
        if value.seeds > 1:
            ax.plot(one, y, "o", ms=3.5, mfc=style.PAPER, mec=colour, mew=1.0, zorder=5)
    filled = value.boundary is Boundary.TESTBED
    ax.plot(
        [max(value.together.low, SHOWN_FROM), value.together.high],
        [y, y],
        color=colour,
        lw=3.2 if filled else 1.6,
        zorder=2,
    )
    dot = ax.plot(
        value.reduction,
        y,
        style.policy_marker(value.policy),
        ms=8 if filled else 7,
        mfc=colour if filled else style.PAPER,
        mec=style.PAPER if filled else colour,
        mew=1.0 if filled else 1.6,
        zorder=4,
    )[0]
    text = (
        f"{style.policy_label(value.policy)} against {style.policy_label(value.baseline)}, {value.boundary.label}: "
        + units.reduction_text(value.reduction, value.together.low, value.together.high)
    )
    drawing.tip(dot, text)
    words.append(text)
    ax.annotate(
        units.percent(value.reduction),
        (max(value.reduction, value.together.high), y),
        (8, 0),
        textcoords="offset points",
        va="center",
        fontsize=8.5,
        fontweight="bold" if filled else "normal",
    )
