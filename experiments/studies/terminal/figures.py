"""Figures of the study, drawn from its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, MultipleLocator, NullFormatter

from experiments.report.figures.base import Drawing, new_figure, percent_axis
from experiments.report.figures.look import look
from experiments.report.style import BAD, CURTAILED, GREEN, GRID_ENERGY, INK, MUTED, OTHER_COLOURS, RULE
from experiments.studies.terminal.settings import REFERENCE_REFRESH, REFERENCE_THRESHOLD_GREY
from experiments.studies.terminal.tables import DYNAMIC, GAINS
from experiments.studies.terminal.walk import HYSTERESIS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PARTS = (
    ("compute_j", "terminal: compute", "#4477aa"),
    ("transmit_j", "terminal: send", "#e69f00"),
    ("idle_j", "terminal: wait", "#88ccee"),
    ("receive_j", "terminal: receive", "#b8b000"),
    ("access_point_j", "access point", "#b7bcc4"),
    ("server_j", "server", "#7b828c"),
)
_MECHANISMS = {
    "local": (INK, "o"),
    "full offloading": ("#d55e00", "s"),
    "partial offloading": ("#cc79a7", "D"),
    "semantic compression": ("#0072b2", "^"),
    "width pruning": ("#009e73", "v"),
    "incremental inference": ("#e69f00", "P"),
    "distillation": ("#56b4e9", "<"),
    "quantisation": ("#999933", "X"),
    "video-like model": ("#882255", "*"),
}
_GAIN_COLOURS = {
    "neither": GRID_ENERGY,
    "terminal only": CURTAILED,
    "system only": "#56b4e9",
    "both": GREEN,
}


def _rate(value: float) -> str:
    return f"{value / 1e6:.2g} Mbit/s" if value < 1e7 else f"{value / 1e6:.0f} Mbit/s"


def _log(axis: Any) -> None:
    """A logarithmic axis with plain numbers: the house style reads no mathematics in texts."""
    axis.axes.set_xscale("log") if axis.axis_name == "x" else axis.axes.set_yscale("log")
    axis.set_major_locator(LogLocator(10, numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def cut_points(cuts: pd.DataFrame) -> Drawing:
    """Bytes and operations at every cut, and (E3) over the cuts for three rates."""
    with look():
        figure = new_figure(5.2)
        top, bottom = figure.subplots(2, 1, sharex=True)
        first = cuts.drop_duplicates("position").sort_values("position")
        x = first["position"].to_numpy()
        top.bar(x, first["cut_bytes"] / 1e3, color="#9fbbe3", width=0.7)
        _log(top.yaxis)
        top.set_ylabel("kB across the cut")
        top.set_title("What crosses, and what the terminal has computed by then")
        side = top.twinx()
        side.plot(
            x,
            first["terminal_flop"] / first["terminal_flop"].max(),
            color=INK,
            drawstyle="steps-mid",
        )
        side.set_ylim(0, 1.05)
        percent_axis(side.yaxis)
        side.grid(False)
        side.spines["right"].set_visible(True)
        side.set_ylabel("operations on the terminal")
        rates = sorted(cuts["rate_bit_per_s"].unique())
        for rate, colour in zip((rates[-1], rates[len(rates) // 2], rates[1]), OTHER_COLOURS, strict=False):
            part = cuts[cuts["rate_bit_per_s"] == rate].sort_values("position")
            joules = part["terminal_j"].to_numpy() * 1e3
            bottom.plot(part["position"], joules, color=colour, marker="o", ms=3.5, lw=1.3, label=_rate(rate))
            lowest = int(np.argmin(joules))
            bottom.plot(
                part["position"].iloc[lowest],
                joules[lowest],
                marker="o",
                ms=10,
                mfc="none",
                mec=colour,
                mew=1.6,
            )
        _log(bottom.yaxis)
        bottom.set_ylabel("terminal, mJ per inference")
        bottom.set_title("Terminal joules (E3) by cut; the ring marks the lowest")
        bottom.legend(ncols=3, loc="upper center")
        low, high = bottom.get_ylim()
        bottom.set_ylim(low, high * 4)
        bottom.set_xticks(x, first["after"].tolist(), rotation=55, ha="right", fontsize=7.5)
        bottom.set_xlabel("cut after")
    return Drawing(
        "cut-points",
        "Where to cut",
        "Bytes at every boundary of the unsplit model, values as they are (float32, the input uint8), and the "
        "terminal's joules by (E3) at three link rates. Without compression the camera's bytes are fewer than any "
        "early feature's: the choice is between all and nothing.",
        "Bars of bytes at each cut, a line of the terminal's share of operations, and joules by cut for three rates.",
        figure,
        cuts,
    )


def mechanisms(table: pd.DataFrame, deadline_s: float) -> Drawing:
    """Stacked joules of every option at three rates: terminal parts first, then the rest of the system."""
    rates = sorted(table["rate_bit_per_s"].unique())
    shown = [rates[-1], rates[len(rates) // 2], rates[1]]
    names = table[table["option"] != DYNAMIC].drop_duplicates(["option", "workload"])
    keys = list(zip(names["option"], names["workload"], strict=True))
    with look():
        figure = new_figure(0.33 * len(keys))
        axes = figure.subplots(1, 3, sharey=True)
        y = np.arange(len(keys))[::-1]
        for ax, rate in zip(axes, shown, strict=True):
            part = table[table["rate_bit_per_s"] == rate].set_index(["option", "workload"])
            rows = part.loc[keys]
            local = float(part.loc[("local", "images"), "terminal_j"]) * 1e3  # type: ignore[arg-type]
            limit = 3.2 * local
            left = np.zeros(len(keys))
            for column, label, colour in _PARTS:
                values = rows[column].to_numpy() * 1e3
                ax.barh(y, values, left=left, color=colour, height=0.72, label=label)
                left = left + values
            for place, total, late in zip(y, left, rows["latency_s"] > deadline_s, strict=True):
                if total > limit or late:
                    ax.text(
                        min(total, limit) * 0.985,
                        place,
                        f"{total:.0f}, late" if late else f"{total:.0f}",
                        ha="right",
                        va="center",
                        fontsize=7.5,
                        color="#1c2128",  # on a light box in either theme
                        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.8},
                    )
            ax.set_ylim(-0.6, len(keys) - 0.4)
            ax.axvline(local, color=INK, lw=0.9, ls=(0, (3, 2)))
            ax.set_xlim(0, limit)
            ax.set_title(_rate(rate))
            ax.set_xlabel("mJ per inference")
            ax.grid(False, axis="y")
        labels = [n if w == "images" else f"{n} (sequence)" for n, w in keys]
        axes[0].set_yticks(y, labels, fontsize=8)
        handles, texts = axes[0].get_legend_handles_labels()
        figure.legend(handles, texts, loc="outside upper left", ncols=6, handlelength=1.1, columnspacing=1.0)
    return Drawing(
        "mechanisms",
        "Joules by mechanism",
        "Terminal joules in colour, access point and server in grey; the dashed line is local execution on the "
        "terminal. Bars that leave the panel carry their total; \u201clate\u201d: modelled latency above the deadline.",
        "Stacked bars of joules per inference for every option at three link rates.",
        figure,
        table,
    )


def accuracy(table: pd.DataFrame) -> Drawing:
    """Accuracy against terminal joules and against bytes, at the middle rate."""
    rates = sorted(table["rate_bit_per_s"].unique())
    rate = rates[len(rates) // 2]
    rows = table[
        (table["rate_bit_per_s"] == rate) & (table["option"] != DYNAMIC) & (table["workload"] == "images")
    ]
    with look():
        figure = new_figure(3.6)
        left, right = figure.subplots(1, 2, sharey=True)
        for mechanism, (colour, marker) in _MECHANISMS.items():
            part = rows[rows["mechanism"] == mechanism]
            if part.empty:
                continue
            left.plot(
                part["terminal_j"] * 1e3,
                part["accuracy_fraction"],
                marker,
                color=colour,
                ms=7,
                label=mechanism,
            )
            sent = part[part["up_bytes"] > 0]
            right.plot(sent["up_bytes"], sent["accuracy_fraction"], marker, color=colour, ms=7)
        for row in rows.to_dict("records"):
            place = (row["terminal_j"] * 1e3, row["accuracy_fraction"])
            if row["mechanism"] == "width pruning":
                _label(left, place, row["option"].removeprefix("local, "), "below")
            if row["mechanism"] == "semantic compression":
                side = {"cut 1": "right", "cut 2": "above", "cut 3": "below"}[row["option"].split(",")[0]]
                _label(right, (row["up_bytes"], place[1]), row["option"], side)
        _log(left.xaxis)
        _log(right.xaxis)
        left.set_xlabel(f"terminal, mJ per inference at {_rate(rate)}")
        right.set_xlabel("bytes sent per inference")
        left.set_ylabel("accuracy")
        low = float(rows["accuracy_fraction"].min())
        left.set_ylim(low - 0.03, min(1.0, float(rows["accuracy_fraction"].max()) + 0.03))
        left.yaxis.set_major_locator(MultipleLocator(0.05))
        percent_axis(left.yaxis)
        left.set_title("Accuracy and terminal joules")
        right.set_title("Accuracy and bytes")
        figure.legend(loc="outside upper left", ncols=5, handlelength=1.0)
    return Drawing(
        "accuracy",
        "What it costs in accuracy",
        "Measured on the test set, offloading executed over the link; joules by (E3).",
        "Scatter of accuracy against joules and against bytes, one marker per option.",
        figure,
        rows,
    )


def _label(ax: Axes, place: tuple[float, float], text: str, side: str) -> None:
    offset = {"above": (0, 6), "below": (0, -13), "right": (7, -3)}[side]
    ax.annotate(
        text,
        place,
        offset,
        textcoords="offset points",
        ha="left" if side == "right" else "center",
        fontsize=6.8,
        color=MUTED,
    )


def walk(frames: pd.DataFrame, totals: pd.DataFrame, measured: pd.DataFrame, deadline_s: float) -> Drawing:
    """Rate, partition, joules and latency over time while the terminal walks away and back."""
    chosen = frames[frames["way"] == HYSTERESIS]
    order = sorted(
        set(chosen["option"]), key=lambda name: (not name.startswith("local"), name == "full", name)
    )
    with look():
        figure = new_figure(7.0)
        axes = figure.subplots(4, 1, sharex=True, height_ratios=[1, 0.9, 1.1, 1.1])
        time_s = chosen["time_s"].to_numpy()
        axes[0].plot(time_s, chosen["rate_bit_per_s"] / 1e6, color=OTHER_COLOURS[0], drawstyle="steps-post")
        _log(axes[0].yaxis)
        axes[0].set_ylabel("Mbit/s")
        axes[0].set_title("Link: scheduled rate, and what frames really got")
        _goodput(axes[0], measured)
        ranks = chosen["option"].map({name: k for k, name in enumerate(order)})
        axes[1].plot(time_s, ranks, color=INK, drawstyle="steps-post")
        axes[1].set_yticks(range(len(order)), order, fontsize=8)
        axes[1].set_ylim(-0.5, len(order) - 0.5)
        axes[1].set_title("Partition: dynamic, with hysteresis")
        ways = [w for w in ("local", "full") if w in set(frames["way"])]
        for way, colour, style in zip(
            [*ways, HYSTERESIS], (GRID_ENERGY, BAD, GREEN), ("--", "-", "-"), strict=False
        ):
            part = frames[frames["way"] == way]
            total = float(totals.loc[totals["way"] == way, "terminal_j"].iloc[0])
            name = "dynamic" if way == HYSTERESIS else f"always {way}"
            axes[2].plot(
                part["time_s"],
                part["terminal_j"] * 1e3,
                color=colour,
                ls=style,
                lw=1.5,
                drawstyle="steps-post",
                label=f"{name}: {total * 1e3:.0f} mJ",
            )
            axes[3].plot(
                part["time_s"],
                part["latency_s"] * 1e3,
                color=colour,
                ls=style,
                lw=1.5,
                drawstyle="steps-post",
            )
        _log(axes[2].yaxis)
        axes[2].set_ylabel("terminal, mJ")
        axes[2].set_title("Terminal joules per frame (E3)")
        axes[2].legend(ncols=3, loc="upper left", bbox_to_anchor=(0.0, 1.02))
        low, high = axes[2].get_ylim()
        axes[2].set_ylim(low, high * 4)
        axes[3].axhline(deadline_s * 1e3, color=BAD, lw=0.9, ls=(0, (2, 2)))
        _log(axes[3].yaxis)
        axes[3].set_ylabel("latency, ms")
        axes[3].set_title("Modelled latency; dotted: the deadline")
        axes[3].set_xlabel("seconds")
        axes[3].set_xlim(time_s[0], time_s[-1])
    return Drawing(
        "walk",
        "The partition follows the link",
        "A terminal walks from 50 m to 1.5 km and back under correlated shadowing, ten frames a second. The run was "
        "executed over the shaped link: points are the goodput of single frames, wall clock; "
        "late wake-ups of a busy machine lower it.",
        "Four panels over time: link rate, chosen partition, terminal joules and latency.",
        figure,
        frames,
    )


def _goodput(ax: Axes, measured: pd.DataFrame) -> None:
    sent = measured[measured["goodput_bit_per_s"].notna()]
    ax.plot(sent["due_s"], sent["goodput_bit_per_s"].astype(float) / 1e6, ".", color=MUTED, ms=3.5)


def gains(table: pd.DataFrame, marks_bit_per_s: list[float], reference_flop_per_s: float) -> Drawing:
    """Map over link rate and server speed: whose joules offloading lowers."""
    wide = table.assign(code=table["gains"].map({name: k for k, name in enumerate(GAINS)})).pivot(
        index="server_flop_per_s", columns="rate_bit_per_s", values="code"
    )
    with look():
        figure = new_figure(3.9)
        ax = figure.subplots()
        ax.pcolormesh(
            wide.columns.to_numpy(dtype=float) / 1e6,
            wide.index.to_numpy(dtype=float) / 1e9,
            wide.to_numpy(dtype=float),
            cmap=ListedColormap([_GAIN_COLOURS[name] for name in GAINS]),
            vmin=-0.5,
            vmax=3.5,
            shading="nearest",
            rasterized=True,
        )
        _log(ax.xaxis)
        _log(ax.yaxis)
        ax.axhline(reference_flop_per_s / 1e9, color=INK, lw=0.9, ls=(0, (3, 2)))
        for rate in marks_bit_per_s:
            ax.plot(rate / 1e6, reference_flop_per_s / 1e9, "o", color=INK, ms=4)
        ax.set_xlabel("link, Mbit/s")
        ax.set_ylabel("server, GFLOP/s at one image")
        ax.grid(False)
        ax.set_title("Who spends fewer joules by offloading than by computing locally")
        present = set(table["gains"])
        handles = [Patch(color=_GAIN_COLOURS[n], label=n) for n in GAINS if n in present]
        figure.legend(handles=handles, loc="outside upper left", ncols=4)
    return Drawing(
        "gains",
        "Whose joules offloading lowers",
        "For the offloading option with the fewest terminal joules among those accurate enough. The dashed line is the "
        "reference server, points are the table's rates. The server's speed at one image is a choice, not measured.",
        "Coloured map over link rate and server speed: neither, terminal only, system only, both.",
        figure,
        table,
    )


def incremental(sweep: pd.DataFrame) -> Drawing:
    """Operations and accuracy by threshold, and by refresh."""
    with look():
        figure = new_figure(3.8)
        left, right = figure.subplots(1, 2)
        refresh, threshold = REFERENCE_REFRESH, REFERENCE_THRESHOLD_GREY
        for ax, column, fixed, value in (
            (left, "threshold_grey", "refresh_frames", refresh),
            (right, "refresh_frames", "threshold_grey", threshold),
        ):
            for (noise, part), colour in zip(
                sweep[sweep[fixed] == value].groupby("noise_grey"), OTHER_COLOURS, strict=False
            ):
                rows = part.sort_values(column)
                for share, label, style in (
                    ("flop_fraction", "operations", {"marker": "o", "ms": 4}),
                    ("accuracy_fraction", "accuracy", {"marker": "s", "ms": 4, "ls": ":"}),
                    (
                        "agreement_fraction",
                        "same class as full",
                        {"marker": "x", "ms": 5, "ls": "--", "lw": 1.0},
                    ),
                ):
                    ax.plot(
                        rows[column], rows[share], color=colour, label=f"{label}, noise {noise:g}", **style
                    )
                ax.axhline(rows["full_accuracy_fraction"].iloc[0], color=RULE, lw=1, zorder=0)
            ax.set_ylim(0, 1.08)
            percent_axis(ax.yaxis)
        left.set_xlabel(f"threshold, grey levels (refresh every {refresh} frames)")
        right.set_xlabel(f"refresh every ... frames (threshold {threshold} grey levels)")
        _log(right.xaxis)
        ticks = sorted(sweep["refresh_frames"].unique())
        right.set_xticks(ticks, [str(t) for t in ticks])
        right.minorticks_off()
        left.set_title("Threshold")
        right.set_title("Refresh")
        handles, labels = left.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=3)
    return Drawing(
        "incremental",
        "Incremental inference",
        "Share of the full model's operations, comparing included, accuracy, and frames given the class the full model "
        "gives, on a sequence of moving digits with and without sensor noise. Noise above the threshold "
        "makes every tile change.",
        "Two panels: operations and accuracy by threshold, and by refresh interval.",
        figure,
        sweep,
    )
