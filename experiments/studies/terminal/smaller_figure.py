"""Figure of the smaller networks: accuracy against terminal joules."""

from __future__ import annotations

import pandas as pd

from experiments.report.figures.base import Drawing, new_figure, percent_axis
from experiments.report.figures.look import look
from experiments.report.style import INK, OTHER_COLOURS
from experiments.studies.terminal.options import INT4, INT8

_WAYS = (
    ("pruned_accuracy_fraction", "pruned, then tuned", "v", "-"),
    ("distilled_accuracy_fraction", "from the unsplit model's scores", "<", "-"),
    ("alone_accuracy_fraction", "from labels alone", "x", ":"),
)


def smaller_networks(widths: pd.DataFrame, quantised: pd.DataFrame) -> Drawing:
    """Widths on the left, number formats on the right; ``smaller.width_table`` and ``smaller.quantisation_table``."""
    with look():
        figure = new_figure(3.6)
        left, right = figure.subplots(1, 2, sharey=True)
        joules = widths["terminal_j"] * 1e3
        for (column, label, marker, style), colour in zip(_WAYS, OTHER_COLOURS, strict=False):
            left.plot(joules, widths[column], marker=marker, ls=style, color=colour, ms=6, label=label)
        for row in widths.to_dict("records"):
            left.annotate(
                f"width {row['width_fraction']:g}",
                (row["terminal_j"] * 1e3, row["pruned_accuracy_fraction"]),
                (0, -14),
                textcoords="offset points",
                ha="center",
                fontsize=6.8,
            )
        base = quantised.iloc[0]
        for axis in (left, right):
            axis.plot(base["terminal_j"] * 1e3, base["accuracy_fraction"], "o", color=INK, ms=6)
            axis.set_xlabel("terminal, mJ per inference")
        for name, marker, colour in ((INT8, "X", OTHER_COLOURS[0]), (INT4, "P", OTHER_COLOURS[1])):
            part = quantised[quantised["option"] == name]
            right.plot(
                part["terminal_j"] * 1e3,
                part["accuracy_fraction"],
                marker=marker,
                color=colour,
                ms=7,
                label=f"{name.removeprefix('local, ')}, {part['model_bytes'].iloc[0] / 1e3:.0f} kB",
            )
        percent_axis(left.yaxis)
        left.set_ylabel("accuracy")
        left.set_title("Narrow networks")
        right.set_title("Number formats")
        left.legend(loc="lower right")
        right.legend(loc="lower left")
    return Drawing(
        "smaller-networks",
        "Smaller networks on the terminal",
        "The circle is the unsplit model in float32. Left: three ways to train each width; those from labels alone "
        "start with the same weights and see the same frames as those with a teacher. Right: the points of int8 are an "
        "int8 operation that costs 0.25, 0.5 and 1 of a float32 one; int4 weights save bytes, not operations.",
        "Two panels of accuracy against joules: networks by width and training, and by number format.",
        figure,
        pd.concat([widths, quantised]),
    )
