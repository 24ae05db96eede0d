"""Figures of the case study: the four panels, the map of verdicts, the ablations of sleep, power over time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.colors import ListedColormap
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray
from scipy.special import stdtrit

from experiments.report.figures.base import WIDTH_IN, Drawing, new_figure
from experiments.report.figures.look import look
from experiments.report.style import BAD, CURTAILED, GREEN, INK, MUTED, PAPER, RULE, ink_on
from experiments.studies.tree.claims import CLAIMS, Judgement
from experiments.studies.tree.conditions import CONFIDENCE_FRACTION, Verdict
from experiments.studies.tree.measure import Counting
from experiments.studies.tree.model import Discipline, Service, SleepMode
from experiments.studies.tree.power import PowerSeries
from experiments.studies.tree.settings import (
    ALPHAS_BITS_PER_TOKEN,
    REFERENCE,
    Background,
    Reading,
    Setting,
    readings,
)
from experiments.studies.tree.tables import TREE_COLUMNS, matrix, pick

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float64]
_PANELS = {Service.VR: "b", Service.VU: "c", Service.VG: "d"}
_SERVICES = {"vr_per_s": ("VR", "#4477aa"), "vu_per_s": ("VU", "#cc79a7"), "vg_per_s": ("VG", "#009e73")}
_PARTS = (
    (("circuit_w", "rf_chain_w", "transmit_w"), "base station", "#8a8f98"),
    (("server_static_w",), "server at rest", "#cfd4da"),
    (("clock_w",), "raised clocks", "#ddb94d"),
    (("computation_w",), "computation", "#4477aa"),
    (("memory_w",), "memory", "#44aa99"),
)
_ALPHA_COLOURS = dict(zip(ALPHAS_BITS_PER_TOKEN[1:], ("#56b4e9", "#0072b2", "#d55e00"), strict=True))
_MODES = {
    SleepMode.JOINT: ("#009e73", "o"),
    SleepMode.DTX_ONLY: ("#56b4e9", "^"),
    SleepMode.DVFS_ONLY: ("#e69f00", "s"),
    SleepMode.PREDICTIVE: ("#cc79a7", "D"),
}
_VERDICTS = {Verdict.MET: (GREEN, "+"), Verdict.NOT_MET: (BAD, "–"), Verdict.NOT_DECIDABLE: (CURTAILED, "?")}


def alpha_label(alpha: float) -> str:
    """Alpha as 10, 7e4, 1e6."""
    return f"{alpha:g}" if alpha < 1e3 else f"{alpha:.0e}".replace("e+0", "e")


def _rates(rows: pd.DataFrame) -> Array:
    return matrix(rows, "rate_per_s")[0]


def _band(ax: Axes, x: Array, values: Array, *, colour: str, label: str, **style: Any) -> None:
    """Mean over seeds and its 95 % interval."""
    mean, n = values.mean(axis=0), len(values)
    ax.plot(x, mean, color=colour, label=label, **style)
    if n > 1:
        half = stdtrit(n - 1, 0.975) * values.std(axis=0, ddof=1) / np.sqrt(n)
        ax.fill_between(x, mean - half, mean + half, color=colour, alpha=0.18, linewidth=0)


def _rate_axis(ax: Axes, rows: pd.DataFrame, service: Service, *, label: bool, line_to: float = 1.0) -> None:
    x = _rates(rows)
    ax.set_xscale("log")
    ax.set_xlim(x[0], x[-1])
    saturated = float(np.interp(1.0, matrix(rows, "relative_rate")[0], x))
    ax.axvline(saturated, color=MUTED, linewidth=0.9, linestyle=(0, (2, 2)), zorder=1, ymax=line_to)
    ticks = [tick for tick in (0.1, 1, 10, 100) if x[0] <= tick <= x[-1]]
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    if label:
        ax.set_xlabel(f"{service.name} arrivals per second")


def _efficiency_panel(ax: Axes, rows: pd.DataFrame, service: Service) -> None:
    x = _rates(rows)
    for alpha in reversed(ALPHAS_BITS_PER_TOKEN[1:]):
        values = matrix(rows, TREE_COLUMNS[alpha, REFERENCE.counting]) / 1e6
        _band(ax, x, values, colour=_ALPHA_COLOURS[alpha], label=f"TREE, α = {alpha_label(alpha)}")
    _band(ax, x, matrix(rows, "ee_bit_per_j") / 1e6, colour=INK, label="EE", linestyle="--", linewidth=1.4)
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0), numticks=12))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())
    _rate_axis(ax, rows, service, label=True)


def _throughput_panel(ax: Axes, rows: pd.DataFrame, service: Service) -> None:
    x = _rates(rows)
    shown = {column: (name, colour, "/s") for column, (name, colour) in _SERVICES.items()}
    shown[f"tokens_{REFERENCE.counting}_per_s"] = ("tokens", INK, "/s")
    for column, (name, colour, unit) in shown.items():
        values = matrix(rows, column)
        peak = float(values.mean(axis=0).max())
        if peak == 0.0:
            continue
        style = {"linestyle": "--", "linewidth": 1.4} if name == "tokens" else {}
        _band(ax, x, values / peak, colour=colour, label=f"{name}, max {peak:.3g} {unit}", **style)
    ax.set_ylim(0, 1.5)
    ax.set_yticks([0, 0.5, 1.0])
    ax.legend(loc="upper center", fontsize=7, ncols=2, handlelength=1.4, columnspacing=0.8, borderaxespad=0.1)
    _rate_axis(ax, rows, service, label=False, line_to=0.78)


def _power_panel(ax: Axes, rows: pd.DataFrame, service: Service) -> None:
    x = _rates(rows)
    layers = [sum(matrix(rows, column).mean(axis=0) for column in columns) for columns, _, _ in _PARTS]
    ax.stackplot(x, *layers, colors=[c for _, _, c in _PARTS], labels=[n for _, n, _ in _PARTS], linewidth=0)
    ax.set_ylim(0, 140)
    _rate_axis(ax, rows, service, label=True)


def fig4(curves: pd.DataFrame, background: Background, discipline: Discipline) -> Drawing:
    """The four panels for one background: EE and TREE (a), throughput and power by component (b, c, d)."""
    with look():
        figure = new_figure(8.0)
        axes = figure.subplots(3, 3, height_ratios=(1.15, 1.0, 1.0))
        data = []
        for column, service in enumerate(Service):
            rows = pick(curves, Setting(service, background, discipline))
            data.append(rows)
            _efficiency_panel(axes[0, column], rows, service)
            _throughput_panel(axes[1, column], rows, service)
            _power_panel(axes[2, column], rows, service)
            axes[1, column].set_title(f"({_PANELS[service]}) {service.name} swept")
        low = min(axis.get_ylim()[0] for axis in axes[0])
        high = max(axis.get_ylim()[1] for axis in axes[0])
        for axis in axes[0]:
            axis.set_ylim(low, high)
        for row in axes:
            for axis in row[1:]:
                axis.tick_params(labelleft=False)
        axes[0, 0].set_title("(a) EE and TREE")
        axes[0, 0].set_ylabel("Mbit per joule")
        axes[1, 0].set_ylabel("throughput / its maximum")
        axes[2, 0].set_ylabel("power, W")
        handles, labels = axes[0, 0].get_legend_handles_labels()
        parts, names = axes[2, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=4)
        figure.legend(parts[::-1], names[::-1], loc="outside lower center", ncols=5)
    return Drawing(
        name=f"fig4-{background}-{discipline}",
        title=f"Fig. 4 of the TREE paper, background {background}, {discipline}",
        caption=(
            "Mean over seeds with 95 % interval; output tokens; dotted line: saturation of the swept service's "
            "bottleneck. TREE with α = 10 bit per token lies on EE within 1 % and is not drawn."
        ),
        alt="EE and TREE, throughput by service and power by component against arrival rates of VR, VU and VG.",
        figure=figure,
        data=pd.concat(data),
    )


def verdict_map(judged: Mapping[Reading, Mapping[str, Judgement]]) -> Drawing:
    """Every claim in every setting."""
    names = [claim.name for claim in CLAIMS]
    with look():
        figure = new_figure(10.4, WIDTH_IN + 0.6)
        axes = figure.subplots(1, len(Discipline), sharey=True)
        for axis, discipline in zip(axes, Discipline, strict=True):
            rows = [reading for reading in readings() if reading.discipline is discipline]
            _draw_map(axis, rows, names, judged)
            axis.set_title(str(discipline), pad=22)
        axes[0].set_yticks(
            range(len(rows)),
            [f"{r.counting} tokens, α = {alpha_label(r.alpha_bits_per_token)}" for r in rows],
            fontsize=7,
        )
        for index, background in enumerate(Background):
            block = len(ALPHAS_BITS_PER_TOKEN) * len(Counting)
            axes[0].annotate(
                str(background),
                (-0.62, index * block + (block - 1) / 2),
                xycoords=("axes fraction", "data"),
                rotation=90,
                va="center",
                ha="center",
                fontweight="bold",
            )
        for verdict, (colour, mark) in _VERDICTS.items():
            axes[0].plot([], [], "s", color=colour, label=f"{mark}  {verdict}")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)
    data = [
        {"reading": reading.label, "claim": name, "verdict": str(judgement.verdict)}
        for reading, by_claim in judged.items()
        for name, judgement in by_claim.items()
    ]
    return Drawing(
        name="verdict-map",
        title="Which claim holds where",
        caption=(
            f"Paired seeds, Student-t intervals at {CONFIDENCE_FRACTION:.0%}. VU3b and VG4b read the throughput of "
            "VU3 and VG4 in bits; they are not among the sixteen."
        ),
        alt="Map of settings against claims: met, not met or not decidable.",
        figure=figure,
        data=pd.DataFrame(data),
    )


def _draw_map(
    axis: Axes, rows: list[Reading], names: list[str], judged: Mapping[Reading, Mapping[str, Judgement]]
) -> None:
    order = list(_VERDICTS)
    codes = [[order.index(judged[reading][name].verdict) for name in names] for reading in rows]
    colours = ListedColormap([_VERDICTS[verdict][0] for verdict in order])
    edges_x, edges_y = np.arange(len(names) + 1) - 0.5, np.arange(len(rows) + 1) - 0.5
    axis.pcolormesh(
        edges_x,
        edges_y,
        codes,
        cmap=colours,
        vmin=-0.5,
        vmax=2.5,
        edgecolors=PAPER,
        linewidth=1.0,
    )
    for y, line in enumerate(codes):
        for x, code in enumerate(line):
            mark = axis.text(x, y, _VERDICTS[order[code]][1], ha="center", va="center_baseline", fontsize=6.5)
            mark.set(color=ink_on(_VERDICTS[order[code]][0]), fontweight="bold", in_layout=False)
        if rows[y] == REFERENCE:
            axis.add_patch(
                Rectangle((-0.5, y - 0.5), len(names), 1, fill=False, edgecolor=INK, linewidth=1.4)
            )
    axis.set_xlim(-0.5, len(names) - 0.5)
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
    axis.xaxis.tick_top()
    axis.tick_params(length=0)
    axis.grid(visible=False)
    for spine in axis.spines.values():
        spine.set_visible(False)
    block = len(ALPHAS_BITS_PER_TOKEN) * len(Counting)
    for edge in range(len(ALPHAS_BITS_PER_TOKEN), len(rows), len(ALPHAS_BITS_PER_TOKEN)):
        width = 1.2 if edge % block == 0 else 0.5
        axis.axhline(edge - 0.5, color=INK if edge % block == 0 else RULE, linewidth=width)


def _mode_style(mode: SleepMode) -> dict[str, Any]:
    """Joint sleep is drawn broad, so that the predictive variant on top of it leaves it visible."""
    broad = mode is SleepMode.JOINT
    return {
        "marker": _MODES[mode][1],
        "markersize": 7.0 if broad else 3.5,
        "linewidth": 3.6 if broad else 1.6,
    }


def ablation(table: pd.DataFrame) -> Drawing:
    """What each sleep mechanism saves, and what it costs in delay, against no sleep at all."""
    with look():
        figure = new_figure(5.6)
        axes = figure.subplots(2, 3, sharey="row")
        for column, service in enumerate(Service):
            of = table[table["sweep"] == service.name]
            for mode, (colour, _) in _MODES.items():
                mine = of[of["sleep"] == str(mode)]
                saved = mine[mine["figure"] == "total_w"].sort_values("relative_rate")
                axes[0, column].plot(
                    saved["relative_rate"],
                    -100.0 * saved["difference"] / saved["none_mean"],
                    color=colour,
                    label=str(mode),
                    **_mode_style(mode),
                )
                slower = mine[(mine["figure"] == "vg_delay_s") & (mine["relative_rate"] <= 0.75)]
                slower = slower.sort_values("relative_rate")
                axes[1, column].plot(
                    slower["relative_rate"],
                    1e3 * slower["difference"].astype(float),
                    color=colour,
                    **_mode_style(mode),
                )
            for axis in axes[:, column]:
                axis.set_xscale("log")
                ticks = [0.1, 0.3, 1] if axis is axes[1, column] else [0.1, 1, 10]
                ticks = [tick for tick in ticks if tick <= axis.get_xlim()[1]]
                axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
                axis.minorticks_off()
            axes[0, column].set_title(f"{service.name} swept")
            axes[1, column].set_xlabel("rate / saturating rate")
        axes[0, 0].set_ylabel("power saved, %")
        axes[1, 0].set_ylabel("delay added to VG, ms")
        axes[1, 0].set_ylim(bottom=0)
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return Drawing(
        name="sleep-ablation",
        title="What sleeping saves and costs",
        caption=(
            f"Against no sleep, paired seeds, background {REFERENCE.background}. Delays up to three "
            "quarters of saturation: beyond it the lengths of the buffers decide them."
        ),
        alt="Saved power and added delay of joint sleep, DTX only, DVFS only and predictive pre-wake-up.",
        figure=figure,
        data=table,
    )


def timeline(series: PowerSeries) -> Drawing:
    """Power by component over a stretch of simulated time, every change drawn where it happens."""
    edges = series.time_s
    with look():
        figure = new_figure(3.4)
        axis = figure.subplots()
        floor = np.zeros(len(edges) - 1)
        for columns, name, colour in _PARTS:
            top = floor + sum(series.watts[column.removesuffix("_w")] for column in columns)
            axis.fill_between(
                edges,
                np.append(floor, floor[-1]),
                np.append(top, top[-1]),
                step="post",
                color=colour,
                label=name,
                linewidth=0,
            )
            floor = top
        axis.set_xlim(edges[0], edges[-1])
        axis.set_ylim(0, 140)
        axis.set_xlabel("simulated time, s")
        axis.set_ylabel("power, W")
        handles, labels = axis.get_legend_handles_labels()
        figure.legend(handles[::-1], labels[::-1], loc="outside upper center", ncols=5)
    data = pd.DataFrame(
        {"from_s": edges[:-1], "to_s": edges[1:], "station": series.station, "server": series.server}
    )
    for name, watts in series.watts.items():
        data[f"{name}_w"] = watts
    return Drawing(
        name="power-over-time",
        title="Power by component over time",
        caption="Joint sleep: prefill draws on computation, decode on memory, and both machines sleep between.",
        alt="Stacked power of base station and edge server over a few seconds.",
        figure=figure,
        data=data,
    )
