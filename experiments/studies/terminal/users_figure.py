"""Figure of several users on one edge server."""

from __future__ import annotations

import pandas as pd
from matplotlib.ticker import NullLocator

from experiments.report.figures.base import Drawing, new_figure, percent_axis
from experiments.report.figures.look import look
from experiments.report.style import BAD, CURTAILED, GREEN, GRID_ENERGY, INK
from experiments.studies.terminal.users import ALL_FULL, ALL_LOCAL, ALL_PARTIAL, ALONE, INFORMED

_WAYS = {
    ALL_LOCAL: (GRID_ENERGY, "--"),
    ALL_FULL: (BAD, "-"),
    ALL_PARTIAL: (CURTAILED, "-"),
    ALONE: (INK, ":"),
    INFORMED: (GREEN, "-"),
}


def several_users(users: pd.DataFrame, deadline_s: float) -> Drawing:
    """Terminal and system joules and late frames over the number of users, one column per scene."""
    scenes = users[["rate_bit_per_s", "server_flop_per_s"]].drop_duplicates().to_dict("records")
    with look():
        figure = new_figure(5.6)
        axes = figure.subplots(3, len(scenes), sharex=True, sharey="row")
        for column, place in enumerate(scenes):
            rate, speed = float(place["rate_bit_per_s"]), float(place["server_flop_per_s"])
            scene = users[(users["rate_bit_per_s"] == rate) & (users["server_flop_per_s"] == speed)]
            for way, (colour, style) in _WAYS.items():
                part = scene[scene["way"] == way].sort_values("users")
                for row, (name, factor) in enumerate(
                    (("terminal_j", 1e3), ("system_j", 1e3), ("late_fraction", 1.0))
                ):
                    axes[row, column].plot(
                        part["users"],
                        part[name] * factor,
                        color=colour,
                        ls=style,
                        marker="o",
                        ms=3,
                        lw=1.4,
                        label=way if row == column == 0 else None,
                    )
            axes[0, column].set_title(f"{rate / 1e6:.1f} Mbit/s, {speed / 1e9:g} GFLOP/s", fontsize=8)
            axes[2, column].set_xscale("log", base=2)
            ticks = sorted(users["users"].unique())
            axes[2, column].set_xticks(ticks, [str(tick) for tick in ticks])
            axes[2, column].xaxis.set_minor_locator(NullLocator())
            axes[2, column].set_xlabel("users")
        axes[0, 0].set_ylabel("terminal, mJ")
        axes[1, 0].set_ylabel("system, mJ")
        axes[2, 0].set_ylabel("late frames")
        axes[2, 0].set_ylim(-0.03, 1.03)
        percent_axis(axes[2, 0].yaxis)
        figure.legend(loc="outside upper left", ncols=5, handlelength=1.6)
    return Drawing(
        "users",
        "Several users on one edge server",
        "Joules of a frame, mean over all users, each with ten frames a second; late: answered after "
        f"{deadline_s * 1e3:.0f} ms. Columns: rate of a user that has the link to itself, and the server's speed. "
        "Simulated.",
        "Panels of terminal joules, system joules and late frames by number of users, for two links and two servers.",
        figure,
        users,
    )
