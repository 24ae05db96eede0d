"""Figures of the reproduction, in the house style: Fig. 3, predictions against Table I, Fig. 4, Fig. 5, the surface."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, LogLocator, NullLocator

from coordinator.policies import COMPARED
from experiments.report.figures.base import Drawing, new_figure, no_grid, percent_axis
from experiments.report.figures.look import energy_map, look
from experiments.report.stats import estimate
from experiments.report.style import (
    INK,
    MUTED,
    PAPER,
    category_colour,
    ink_on,
    policy_colour,
    policy_label,
    policy_marker,
)
from experiments.report.units import percent
from experiments.studies.fei.energy import REQUESTS_PER_SERVER
from experiments.studies.fei.fig4 import MODEL, PAPER_STAGES, SHARES, STAGES
from experiments.studies.fei.fig5 import SLEEP_SETTINGS
from experiments.studies.fei.market import CAP_FRACTION, FIG5_SERVERS, REFERENCE_LOSS_FRACTION
from experiments.studies.fei.spec import (
    MODELS,
    PAPER_REDUCTION_FRACTION,
    REFERENCE_BATCHES,
    REFERENCE_SERVERS,
    SERVERS,
    ServerReading,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_OURS = {ServerReading.WITH_COORDINATOR: ("#0072b2", "o", "-"), ServerReading.EDGES: ("#56b4e9", "^", "--")}
_WHITE = "#ffffff"
"""On the map, whose colours stay the same on a dark page."""
_SLEEP_LOOKS = (("#56b4e9", "^", "--"), ("#0072b2", "D", "-"), ("#d55e00", "s", ":"))
"""In the order of fig5.SLEEP_SETTINGS."""
_MODELS = {"MLP": ("#0072b2", "o"), "CNN": ("#d55e00", "s"), "LSTM": ("#009e73", "D")}
_RANDOM = "#e69f00"
_FILLS: dict[str, Literal["full", "bottom", "none"]] = {
    "measured": "full",
    "shipped": "bottom",
    "scaled": "none",
}
"""How a point is filled, by the origin of its rounds."""
_ORIGINS = {
    "measured": "trained here, paper's size",
    "shipped": "so trained before",
    "scaled": "scaled from a smaller one",
}
_STAGE_HATCHES = {"preparation": "xxxx", "development": "", "application": "////", "recycling": "...."}
_RATIO_TICKS = (0.25, 0.33, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0)


def _servers_axis(ax: Axes, ticks: tuple[int, ...] = SERVERS, label: str = "servers") -> None:
    ax.set_xticks(ticks)
    ax.set_xlabel(label)


def _paper(ax: Axes, values: tuple[float, ...]) -> None:
    ax.plot(SERVERS, values, color=INK, marker="x", lw=1.0, ls=":", label="paper", zorder=4)


def _points(
    ax: Axes, rows: pd.DataFrame, column: str, colour: str, marker: str, style: str = "-", label: str = ""
) -> None:
    """A line with its points: filled as their rounds were come by, the calibrating one in a ring."""
    ax.plot(rows["servers"], rows[column], color=colour, ls=style, marker=marker, ms=0, label=label)
    kind = rows["basis"].str.partition(":")[0].str.replace("shipped, ", "")
    for name, fill in _FILLS.items():
        part = rows[kind == name]
        ax.plot(
            part["servers"],
            part[column],
            color=colour,
            ls="",
            marker=marker,
            ms=5,
            fillstyle=fill,
            markerfacecoloralt=PAPER,
            zorder=3,
        )
    one = rows[rows["role"] == "calibrated"]
    ax.plot(
        one["servers"], one[column], color=INK, ls="", marker="o", ms=9, fillstyle="none", mew=0.8, zorder=3
    )


def _seed_bars(
    ax: Axes, seeds: pd.DataFrame, model: str, column: str, colour: str, offset: float = 0.0
) -> None:
    """From the lowest to the highest training seed, where there are several."""
    part = seeds[seeds["model"] == model]
    if part.empty:
        return
    spread = part.groupby("servers")[column].agg(["min", "max"])
    x = spread.index.to_numpy(dtype=float) + offset
    ax.vlines(x, spread["min"], spread["max"], color=colour, lw=3.5, alpha=0.3, zorder=1)


def _legend(figure: Any, axes: list[Any], shown: pd.DataFrame, ncols: int, has_seeds: bool) -> None:
    """Lines of the axes, and what the filling of points, rings and bars mean, as far as they occur."""
    handles, labels = _merged(axes)
    kinds = set(shown["basis"].str.partition(":")[0].str.replace("shipped, ", ""))
    for name, fill in _FILLS.items():
        if name in kinds:
            handles.append(
                Line2D([], [], color=MUTED, ls="", marker="o", ms=5, fillstyle=fill, markerfacecoloralt=PAPER)
            )
            labels.append(_ORIGINS[name])
    handles.append(Line2D([], [], color=INK, ls="", marker="o", ms=9, fillstyle="none", mew=0.8))
    labels.append("calibrated")
    if has_seeds:
        handles.append(Line2D([], [], color=MUTED, lw=3.5, alpha=0.3))
        labels.append("lowest to highest seed")
    figure.legend(handles, labels, loc="outside upper left", ncols=ncols)


def fig3(frame: pd.DataFrame, seeds: pd.DataFrame) -> Drawing:
    """Energy and grams against servers for each model, reference reading of E and B, both readings of servers.

    ``seeds``: rows of several training seeds (experiments.studies.fei.table1.by_seed), or empty.
    """
    part = frame[frame["reading_e_b"] == str(REFERENCE_BATCHES)]
    with look():
        figure = new_figure(5.6)
        axes = figure.subplots(2, 3)
        for column, model in enumerate(MODELS):
            top, bottom = axes[0, column], axes[1, column]
            _paper(top, model.energy_kwh)
            _paper(bottom, model.carbon_g)
            for reading, (colour, marker, style) in _OURS.items():
                rows = part[(part["model"] == model.name) & (part["reading_servers"] == str(reading))]
                rows = rows[rows["ours_kwh"].notna()]
                if rows.empty:
                    continue
                label = f"ours, {reading}"
                _points(top, rows, "ours_kwh", colour, marker, style, label)
                _points(bottom, rows, "sorted_g", colour, marker, style, label)
                if reading is REFERENCE_SERVERS:
                    _seed_bars(top, seeds, model.name, "ours_kwh", colour)
                    _seed_bars(bottom, seeds, model.name, "sorted_g", colour)
                    bottom.plot(rows["servers"], rows["random_mean_g"], color=_RANDOM, label="ours, random")
                    bottom.fill_between(
                        rows["servers"].to_numpy(dtype=float),
                        rows["random_low_g"].to_numpy(dtype=float),
                        rows["random_high_g"].to_numpy(dtype=float),
                        color=_RANDOM,
                        alpha=0.18,
                        lw=0,
                    )
            top.set_title(model.name)
            top.set_ylim(bottom=0)
            bottom.set_yscale("log")
            bottom.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
            bottom.yaxis.set_minor_locator(LogLocator(subs=(2.0, 5.0)))
            bottom.yaxis.set_minor_formatter(lambda value, _: f"{value:g}")
            bottom.tick_params(axis="y", which="minor", labelsize=7)
            _servers_axis(top, label="")
            _servers_axis(bottom, label="# of Servers")
        axes[0, 0].set_ylabel("energy, kWh")
        axes[1, 0].set_ylabel("emissions, g CO2e")
        _legend(figure, list(axes.ravel()), part[part["ours_kwh"].notna()], 3, len(seeds) > 0)
    return Drawing(
        name="fig3",
        title="Fig. 3: energy and emissions against the number of servers",
        caption=(
            "Ours: sorted placement unless said otherwise. The ringed row of most rounds is calibrated, one a model "
            "and size of training; the others are predictions. Orange: the expected value of random placements, band "
            f"95 % of them. Reading of E and B: {REFERENCE_BATCHES}. "
            + _seed_note(seeds)
            + "Rows that were not "
            "trained at this effort are not drawn."
        ),
        alt="Energy and emissions of MLP, CNN and LSTM against servers, ours beside the paper's.",
        figure=figure,
        data=part,
    )


def _merged(axes: list[Any]) -> tuple[list[Any], list[str]]:
    """Legend entries of several axes, each label once."""
    found: dict[str, Any] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    return list(found.values()), list(found)


def _seed_note(seeds: pd.DataFrame) -> str:
    """What points and bars are in terms of training seeds."""
    if seeds.empty:
        return "One training seed. "
    names = " and ".join(name for name in _MODELS if (seeds["model"] == name).any())
    count = seeds["seed"].nunique()
    return f"Points are training seed 0, bars the range of {count} seeds, {names}, reference readings. "


def ratios(frame: pd.DataFrame, seeds: pd.DataFrame) -> Drawing:
    """Ours over the paper's, energy and sorted grams, reference readings; ``seeds`` as in ``fig3``."""
    part = frame[
        (frame["reading_e_b"] == str(REFERENCE_BATCHES))
        & (frame["reading_servers"] == str(REFERENCE_SERVERS))
        & frame["ours_kwh"].notna()
    ]
    with look():
        figure = new_figure(4.0)
        axes = figure.subplots(1, 2, sharey=True)
        for ax, column, title in (
            (axes[0], "ratio_kwh", "energy"),
            (axes[1], "ratio_g", "emissions, sorted"),
        ):
            ax.axhline(1.0, color=MUTED, lw=1.0)
            for k, (name, (colour, marker)) in enumerate(_MODELS.items()):
                rows = part[part["model"] == name]
                if rows.empty:
                    continue
                _points(ax, rows, column, colour, marker, label=name)
                _seed_bars(ax, seeds, name, column, colour, offset=0.2 * (k - 0.5))
            ax.set_title(title)
            ax.set_yscale("log", base=2)
            ax.yaxis.set_major_locator(FixedLocator(_RATIO_TICKS))
            ax.yaxis.set_minor_locator(NullLocator())
            ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
            _servers_axis(ax, label="# of Servers")
        axes[0].set_ylabel("ours / paper")
        _legend(figure, [axes[0]], part, 4, len(seeds) > 0)
    return Drawing(
        name="ratios",
        title="Table I: ours over the paper's",
        caption="1 is exact; the ringed row of most rounds is calibrated in energy, all else predicted, its grams too. "
        + _seed_note(seeds).strip(),
        alt="Ratio of predicted to printed energy and emissions against servers, by model.",
        figure=figure,
        data=part,
    )


def fig4(shares: pd.DataFrame, seeds: pd.DataFrame, stages: tuple[str, ...] = STAGES) -> Drawing:
    """Grams by stage against servers, and shares of the stages by servers and target.

    ``seeds``: the same of several training seeds (experiments.studies.fei.fig4.by_seed), or empty. ``stages``: all, or
    the three of the paper's figure.
    """
    column, is_paper = SHARES[stages], stages == PAPER_STAGES
    levels = sorted(shares["target_fraction"].unique())
    total, developed = _sums(seeds, stages, "sorted_g"), _sums(seeds, stages[:2], column)
    prepared = shares[shares["stage"] == "preparation"][column].dropna()
    with look():
        figure = new_figure(4.2)
        axes = figure.subplots(1, 2, width_ratios=(1.0, 1.6))
        top = shares[shares["target_fraction"] == levels[-1]]
        _stacked(axes[0], top, stages, "sorted_g", 0.0, 1.3)
        _error_bars(axes[0], total[total["target_fraction"] == levels[-1]], "sorted_g", 0.0)
        axes[0].set_ylabel("emissions, g CO2e")
        axes[0].set_title(f"to {percent(levels[-1])} accuracy")
        width = 1.6 / len(levels)
        for k, level in enumerate(levels):
            part = shares[shares["target_fraction"] == level]
            offset = (k - (len(levels) - 1) / 2) * width
            _stacked(axes[1], part, stages, column, offset, width * 0.9)
            _error_bars(axes[1], developed[developed["target_fraction"] == level], column, offset)
        axes[1].set_title("shares, to " + ", ".join(percent(v) for v in levels) + " (bars, left to right)")
        percent_axis(axes[1].yaxis)
        axes[1].set_ylim(0, 1)
        for ax in axes:
            _servers_axis(ax, label="# of Servers, with coordinator")
        handles, labels = _merged([axes[0]])
        if len(prepared):
            share = f" ({percent(prepared.min())} to {percent(prepared.max())})"
            labels = [label + share if label == "preparation" else label for label in labels]
        figure.legend(handles, labels, loc="outside upper left", ncols=4)
    return Drawing(
        name="fig4-three-stages" if is_paper else "fig4",
        title="Fig. 4: emissions by life-cycle stage, and the stages' shares by target accuracy, "
        + ("in the paper's three stages" if is_paper else "with recycling"),
        caption=(
            f"{MODEL}, sorted placement. Servers as in Table I: n counts the coordinator, whose own grams are in no "
            f"stage here. Application: {REQUESTS_PER_SERVER:,} requests an edge server, a choice: the paper reports no "
            "load, and says from elsewhere that with most companies application consumes much more than development. "
            + (
                "The paper shows three stages and names none: these are its four without recycling, of which it "
                "reports nothing. "
                if is_paper
                else "Recycling is a measured transfer of the trained model to the inverted images, to the same "
                "accuracy. "
            )
            + "Missing bars: a stage that did not reach its target. "
            + (
                "One training seed."
                if seeds.empty
                else f"Bars are training seed 0; whiskers the range of {seeds['seed'].nunique()} seeds, of the sum at "
                "the left, of preparation and development together at the right."
            )
        ),
        alt=f"Stacked bars of {', '.join(stages[:-1])} and {stages[-1]} against servers.",
        figure=figure,
        data=shares,
    )


def _stacked(
    ax: Axes, part: pd.DataFrame, stages: tuple[str, ...], column: str, offset: float, width: float
) -> None:
    servers = np.array(sorted(part["servers"].unique()), dtype=float)
    base = np.zeros(len(servers))
    for stage in stages:
        values = (
            part[part["stage"] == stage].set_index("servers")[column].reindex(servers).to_numpy(dtype=float)
        )
        ax.bar(
            servers + offset,
            np.nan_to_num(values),
            width,
            bottom=base,
            color=category_colour(stage),
            hatch=_STAGE_HATCHES[stage],
            label=stage,
            lw=0,
        )
        base = base + np.nan_to_num(values)


def _sums(seeds: pd.DataFrame, stages: tuple[str, ...], column: str) -> pd.DataFrame:
    """Sum of a column over stages, by seed, servers and target; those with a stage missing are left out."""
    part = seeds[seeds["stage"].isin(stages)]
    keys = ["seed", "servers", "target_fraction"]
    return part.groupby(keys)[column].sum(min_count=len(stages)).dropna().reset_index()


def _error_bars(ax: Axes, part: pd.DataFrame, column: str, offset: float) -> None:
    """Whiskers from the lowest to the highest training seed."""
    spread = part.groupby("servers")[column].agg(["min", "max"])
    low, high = (spread[name].to_numpy(dtype=float) for name in ("min", "max"))
    middle = (low + high) / 2
    x = spread.index.to_numpy(dtype=float) + offset
    ax.errorbar(x, middle, (high - low) / 2, color=INK, ls="", elinewidth=0.9, capsize=2, zorder=5)


def fig5(lines: pd.DataFrame) -> Drawing:
    """Grams per training and DETA's reduction against servers."""
    with look():
        figure = new_figure(4.6)
        axes = figure.subplots(1, 3, width_ratios=(1.25, 1.0, 1.0))
        for policy in COMPARED:
            _line(axes[0], lines, policy, "training_g")
            for ax, against in ((axes[1], "grid"), (axes[2], "local")):
                if policy not in ("grid", against):
                    _line(ax, lines, policy, f"against_{against}_fraction")
        axes[0].set_ylabel("g CO2e per training")
        axes[0].set_ylim(bottom=0)
        axes[0].set_title("emissions")
        for ax, against in ((axes[1], "GRID"), (axes[2], "LOCAL")):
            ax.axhline(PAPER_REDUCTION_FRACTION, color=MUTED, lw=1.0, ls=(0, (4, 2)))
            ax.annotate(
                percent(PAPER_REDUCTION_FRACTION),
                (FIG5_SERVERS[0], PAPER_REDUCTION_FRACTION),
                (0, 3),
                textcoords="offset points",
                fontsize=8,
                color=INK,
            )
            ax.set_title(f"reduction against {against}")
            ax.set_ylim(0, 1)
            percent_axis(ax.yaxis)
        for ax in axes:
            _servers_axis(ax, FIG5_SERVERS, "edge servers")
        handles, labels = _merged([axes[0]])
        figure.legend(handles, labels, loc="outside upper left", ncols=5)
    return Drawing(
        name="fig5",
        title="Fig. 5: without and with DET, DAT and DETA, against the number of servers",
        caption=(
            "Mean over paired seeds (day, clouds, zones) with 95 % interval; caps 50 %, nodes awake, no slack. The "
            'paper compares "with and without" and leaves open whether own harvest counts without: GRID uses none, '
            "LOCAL its own and no exchange; both are shown. DET and DAT lie close: DET is drawn a little to the left, "
            "DAT to the right. Horizontal dashes: the paper's 74.9 %."
        ),
        alt="Emissions per training and reductions of DET, DAT and DETA against the number of edge servers.",
        figure=figure,
        data=lines,
    )


_DAY_LABELS = {"grid": "GRID (no harvest)", "local": "LOCAL (own harvest)"}
_DAY_DASHES = {"det": (0, (4, 1.5)), "dat": (0, (1.2, 1.2))}
_DAY_SHIFTS = {"det": -0.12, "dat": 0.12}
"""In servers: DET and DAT would hide each other."""


def _line(ax: Axes, lines: pd.DataFrame, policy: str, column: str) -> None:
    wide = lines[lines["policy"] == policy].pivot(index="servers", columns="seed", values=column)
    values = [estimate(row.tolist()) for _, row in wide.iterrows()]
    x = wide.index.to_numpy(dtype=float) + _DAY_SHIFTS.get(policy, 0.0)
    mean = np.array([v.mean for v in values])
    colour = policy_colour(policy)
    ax.plot(
        x,
        mean,
        color=colour,
        marker=policy_marker(policy),
        ms=5,
        ls=_DAY_DASHES.get(policy, "-"),
        label=_DAY_LABELS.get(policy, policy_label(policy)),
    )
    if all(v.low is not None and v.high is not None for v in values):
        low = np.array([v.low for v in values], dtype=float)
        high = np.array([v.high for v in values], dtype=float)
        ax.fill_between(x, low, high, color=colour, alpha=0.13, lw=0)


def surface(means: pd.DataFrame, against: str) -> Drawing:
    """Reduction over panels and caps; columns: loss, rows: slack; the contour of 74.9 %."""
    column = f"against_{against}_fraction"
    awake = means[~means["sleep"].astype(bool)]
    deadlines, losses = sorted(awake["deadline_slots"].unique()), sorted(awake["loss_fraction"].unique())
    with look():
        figure = new_figure(1.0 + 2.1 * len(deadlines))
        axes = figure.subplots(len(deadlines), len(losses), sharex=True, sharey=True, squeeze=False)
        image: Any = None
        for i, deadline in enumerate(deadlines):
            for j, loss in enumerate(losses):
                part = awake[(awake["deadline_slots"] == deadline) & (awake["loss_fraction"] == loss)]
                image = _panel(axes[i, j], part, column)
                axes[i, j].set_title(f"loss {percent(float(loss), 0)}, {int(deadline)} slots of slack")
        for ax in axes[-1]:
            ax.set_xlabel("panel, W")
        for row in axes:
            row[0].set_ylabel("both caps")
        bar = figure.colorbar(image, ax=axes, shrink=0.8, pad=0.02)
        percent_axis(bar.ax.yaxis)
        bar.set_label(f"reduction against {against.upper()}")
        bar.outline.set_visible(False)
    at_caps = awake[awake["cap_fraction"] == CAP_FRACTION]
    most = ", ".join(
        f"{percent(float(at_caps[at_caps['deadline_slots'] == slack][column].max()))} with {slack} slots of slack"
        for slack in deadlines
    )
    return Drawing(
        name=f"surface-{against}",
        title="The surface of DETA's reduction at ten servers, all nodes awake",
        caption=(
            f"Mean over paired seeds of the reduction against {against.upper()}, optimum of the day with perfect "
            f"foresight. Heavy line: the contour of {percent(PAPER_REDUCTION_FRACTION)} (no line: not crossed in the "
            f"panel); thin line: the paper's caps of {percent(CAP_FRACTION, 0)}; dots: what was computed, straight "
            f"between them. Most at these caps with nodes awake: {most}. Where nodes may sleep, see the next figure."
        ),
        alt=f"Heat maps of DETA's reduction against {against} over panel power and caps, by loss and slack.",
        figure=figure,
        data=means,
        tab=f"against {against.upper()}",
    )


def _panel(ax: Axes, part: pd.DataFrame, column: str) -> Any:
    wide = part.pivot(index="cap_fraction", columns="panel_w", values=column)
    x, y = wide.columns.to_numpy(dtype=float), wide.index.to_numpy(dtype=float)
    values = wide.to_numpy(dtype=float)
    levels = np.linspace(0.0, 1.0, 21)
    image = ax.contourf(x, y, values, levels=levels, cmap=energy_map())
    ax.axhline(CAP_FRACTION, color=INK, lw=0.6)
    if values.min() < PAPER_REDUCTION_FRACTION < values.max():
        lines = ax.contour(x, y, values, levels=[PAPER_REDUCTION_FRACTION], colors=INK, linewidths=1.6)
        _name_contour(ax, lines, float(y[-1]))
    xs, ys = np.meshgrid(x, y)
    ax.plot(xs.ravel(), ys.ravel(), "o", ms=2.6, mfc=_WHITE, mec=INK, mew=0.5, clip_on=False, zorder=3)
    if CAP_FRACTION in y:
        value = values[int(np.flatnonzero(y == CAP_FRACTION)[0]), -1]
        ax.annotate(
            percent(float(value), 0),
            (x[-1], CAP_FRACTION),
            (-4, 4),
            textcoords="offset points",
            ha="right",
            fontsize=7,
            color=ink_on(to_hex(energy_map()(float(value)))),
        )
    percent_axis(ax.yaxis)
    no_grid(ax)
    return image


def _name_contour(ax: Axes, lines: Any, top: float) -> None:
    """The contour's level beside its upper end: on the line it would hide where that meets the caps."""
    points = np.concatenate([np.asarray(segment) for segment in lines.allsegs[0]])
    end = points[points[:, 1].argmax()]
    ax.annotate(
        percent(PAPER_REDUCTION_FRACTION),
        (float(end[0]), float(end[1])),
        (4, -9 if end[1] >= top else 4),
        textcoords="offset points",
        fontsize=7,
        color=ink_on(to_hex(energy_map()(PAPER_REDUCTION_FRACTION))),
    )


def sleep(means: pd.DataFrame) -> Drawing:
    """Reduction over panels at the reference loss: nodes awake, and with sleep from the plan to the bound."""
    part = means[means["loss_fraction"] == REFERENCE_LOSS_FRACTION]
    kinds: dict[Any, pd.DataFrame] = dict(iter(part.groupby(["sleep", "cap_fraction", "deadline_slots"])))
    lines = [((False, CAP_FRACTION, 0), MUTED, "o", "-")]
    lines += [
        ((True, cap, slack), colour, marker, style)
        for (cap, slack), (colour, marker, style) in zip(SLEEP_SETTINGS, _SLEEP_LOOKS, strict=True)
    ]
    with look():
        figure = new_figure(3.4)
        axes = figure.subplots(1, 2, sharey=True)
        for ax, against in zip(axes, ("grid", "local"), strict=True):
            ax.axhline(PAPER_REDUCTION_FRACTION, color=MUTED, lw=1.0, ls=(0, (4, 2)))
            for key, colour, marker, style in lines:
                if key not in kinds:
                    continue
                rows = kinds[key].sort_values("panel_w")
                nodes, cap, slack = key
                x = rows["panel_w"].to_numpy(dtype=float)
                plan = rows[f"against_{against}_fraction"].to_numpy(dtype=float)
                bound = rows[f"against_{against}_bound_fraction"].to_numpy(dtype=float)
                label = (
                    f"{'sleep' if nodes else 'awake'}, caps {percent(cap, 0)}, "
                    f"{slack} {'slot' if slack == 1 else 'slots'} of slack"
                )
                ax.plot(x, plan, color=colour, marker=marker, ms=4.5, ls=style, label=label)
                if nodes:
                    ax.fill_between(x, plan, bound, color=colour, alpha=0.35, lw=0)
            ax.set_title(f"against {against.upper()}")
            ax.set_xlabel("panel, W")
            ax.set_ylim(0, 1)
            percent_axis(ax.yaxis)
        axes[0].set_ylabel("reduction")
        axes[0].annotate(
            percent(PAPER_REDUCTION_FRACTION),
            (float(part["panel_w"].max()), PAPER_REDUCTION_FRACTION),
            (0, -11),
            textcoords="offset points",
            ha="right",
            fontsize=8,
            color=MUTED,
        )
        handles, labels = _merged(list(axes))
        figure.legend(handles, labels, loc="outside upper left", ncols=2)
    return Drawing(
        name="sleep",
        title="DETA's reduction at ten servers where nodes may sleep",
        caption=(
            f"Mean over paired seeds, {percent(REFERENCE_LOSS_FRACTION, 0)} loss. Lines: the plan found; shaded up "
            "to what no plan can exceed. At caps 50 % and no slack no node can sleep, since half of each slot's own "
            f"work stays in its slot. Horizontal dashes: the paper's {percent(PAPER_REDUCTION_FRACTION)}. Intervals "
            "are in the table."
        ),
        alt="Reduction against panel power, nodes awake and with sleep, against GRID and against LOCAL.",
        figure=figure,
        data=part,
    )
