"""TREE and EE over alpha, and the point where they diverge."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.ticker import NullLocator

from coordinator.accounting.tree import Window, sweep
from experiments.report import style, units
from experiments.report.figures.base import Drawing, new_figure
from experiments.report.measures import alpha_bits_per_token, totals
from experiments.report.read import Study
from experiments.report.serving import serving_totals

ALPHAS = tuple(float(value) for value in np.logspace(0, 7.5, 46))
"""bit per token; the paper's 10, its prices' 70,423, and the 1e6 and 1e7 of methods.md section 5 among them."""
MARKED = (10.0, 7e4, 1e6, 1e7)
TESTBED, SERVING = "testbed", "serving"
"""Divisor of a ratio: all joules of the run, or those of serving."""


_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def _power_of_ten(value: float, _position: int | None = None) -> str:
    return "10" + str(round(np.log10(value))).translate(_SUPERSCRIPTS) if value > 0 else ""


def _windows(study: Study, policy: str) -> dict[str, Window]:
    """Sums over seeds: what was delivered over all joules of the testbed and, where requests came, over those of
    serving alone."""
    runs = list(study.runs[policy].values())
    every = [totals(run) for run in runs]
    found = {
        TESTBED: Window(
            sum(one.bits for one in every),
            sum(one.tokens_in or 0 for one in every),
            sum(one.tokens_out or 0 for one in every),
            sum(one.energy_j for one in every),
        )
    }
    served = [one for one in (serving_totals(run) for run in runs) if one is not None]
    if len(served) == len(runs):
        found[SERVING] = Window(
            sum(one.bits for one in served),
            sum(one.tokens_in for one in served),
            sum(one.tokens_out for one in served),
            sum(one.energy_j for one in served),
        )
    return found


def alpha_sweep(study: Study) -> Drawing | None:
    """A panel for the testbed and one for serving; None when no token was read or generated."""
    windows = {policy: _windows(study, policy) for policy in study.policies}
    panels = [
        name for name in (TESTBED, SERVING) if all(name in windows[policy] for policy in study.policies)
    ]
    if not any(window[TESTBED].tokens for window in windows.values()):
        return None
    rows = [
        {
            "policy": policy,
            "part": name,
            "alpha_bits_per_token": alpha,
            "tree_bit_per_j": tree,
            "ee_bit_per_j": ee,
        }
        for policy in study.policies
        for name in panels
        for alpha, tree, ee in sweep(windows[policy][name], ALPHAS)
    ]
    frame = pd.DataFrame(rows)
    used = alpha_bits_per_token(study.any_run)
    figure = new_figure(3.5)
    axes: Any = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    first = windows[study.focus][TESTBED]
    parting = first.bits / first.tokens if first.tokens else None
    drawing = Drawing(
        name="tree-alpha",
        title="TREE and EE over α",
        caption=(
            "TREE = (bits + α · tokens) / joules over the weight α of a token, input and generated tokens together; "
            "dashed: EE = bits / joules, without tokens. Left over all joules of the testbed, right over those "
            "of serving: the nodes' application lines, and the transport of their users' bytes. The two diverge where "
            "α reaches the bits that travel for a token"
            + (f", here {units.count(parting)}" if parting is not None else "")
            + ". Dots: α = 10, 7·10⁴, 10⁶ and 10⁷ bit per token"
            + (f"; dotted line: the run's own, {units.count(used)}." if used is not None else ".")
        ),
        alt="; ".join(
            f"{style.policy_label(policy)}, {name}: EE {units.bits_per_joule(ee)}, TREE at 1e7 "
            f"{units.bits_per_joule(sweep(windows[policy][name], (1e7,))[0][1])}"
            for policy in study.policies
            for name in panels
            for ee in [sweep(windows[policy][name], (0.0,))[0][2]]
        ),
        figure=figure,
        data=frame,
    )
    for ax, name in zip(axes, panels, strict=True):
        for policy in study.policies:
            own = frame[(frame["policy"] == policy) & (frame["part"] == name)]
            line = ax.plot(
                own["alpha_bits_per_token"],
                own["tree_bit_per_j"],
                color=style.policy_colour(policy),
                label=style.policy_label(policy),
            )[0]
            drawing.tip(line, f"TREE, {style.policy_label(policy)}, {name}", series=policy)
            ax.plot(
                own["alpha_bits_per_token"],
                own["ee_bit_per_j"],
                color=style.policy_colour(policy),
                ls=(0, (4, 3)),
                lw=1,
            )
            marks = sweep(windows[policy][name], MARKED)
            ax.plot(
                [alpha for alpha, _, _ in marks],
                [tree for _, tree, _ in marks],
                style.policy_marker(policy),
                color=style.policy_colour(policy),
                ms=4.5,
            )
        if used:
            ax.axvline(used, color=style.MUTED, ls=":", lw=1)
        ax.set_xscale("log")
        ax.set_yscale("log")
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(_power_of_ten)
            axis.set_minor_locator(NullLocator())  # its 200 ticks took longer to draw than all the rest
        ax.set_title(name)
        ax.set_xlabel("α, bit per token")
    axes[0].set_ylabel("bit/J")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=8)
    return drawing
