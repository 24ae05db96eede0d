"""Figures of the study: what survives, errors by lead, grams by zone, ranks."""

from __future__ import annotations

import numpy as np
import pandas as pd

from experiments.report.figures.base import Drawing, new_figure, percent_axis
from experiments.report.figures.look import look
from experiments.report.style import (
    MUTED,
    OTHER_COLOURS,
    OTHER_MARKERS,
    POLICY_MARKERS,
    policy_colour,
    policy_label,
    policy_marker,
)
from experiments.studies.forecasts.days import DEADLINES

Q_COLOURS = dict(zip(DEADLINES, (policy_colour("det"), policy_colour("deta")), strict=True))
Q_SAYS = {0: "work due in its slot", 6: "work may wait 6 h"}


@look()
def what_survives(regimes: pd.DataFrame) -> Drawing:
    """Share of the gain that survives, by regime and deadline, with intervals."""
    own = regimes[regimes["regime"] != "perfect"]
    names = list(dict.fromkeys(own["regime"]))
    figure = new_figure(0.45 * len(names) + 1.6)
    axes = figure.subplots()
    for shift, q in enumerate(sorted(int(q) for q in set(own["deadline_slots"]))):
        rows = own[own["deadline_slots"] == q]
        at = np.array([names.index(name) for name in rows["regime"]]) + 0.22 * shift - 0.11
        value = rows["surviving_fraction"].to_numpy()
        spread = np.array([value - rows["surviving_low"], rows["surviving_high"] - value], dtype=float)
        axes.errorbar(
            value,
            at,
            xerr=np.nan_to_num(spread),
            fmt="o" if q == 0 else "D",
            color=Q_COLOURS.get(q, MUTED),
            capsize=3,
            label=Q_SAYS.get(q, f"q = {q}"),
        )
    axes.axvline(1.0, color=MUTED, lw=1.0)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    percent_axis(axes.xaxis)
    axes.set_xlabel("share of DETA's gain over LOCAL that survives")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=2)
    worst = own.sort_values("surviving_fraction").to_dict("records")[0]
    return Drawing(
        name="survives",
        title="What survives forecasts",
        caption=(
            "(LOCAL - DETA with this knowledge) over (LOCAL - DETA that knows the future), grams summed over the days; "
            "bars are 95 % intervals over the same days. 100 %: perfect forecasts. issued-48h: an issue is "
            "used only two days after it was made, so that every lead is as much longer. issued-all: harvest is "
            "expected as a day before, too."
        ),
        alt=f"Least survives with {worst['regime']}: {worst['surviving_fraction']:z.1%}",
        figure=figure,
        data=own,
    )


@look()
def errors_by_lead(errors: pd.DataFrame) -> Drawing:
    """Mean absolute error against lead: all zones, and each zone's issued forecasts."""
    weight = errors["mean_g_per_kwh"]
    kinds = {
        "issued_fraction": ("issued forecasts", "-", policy_colour("deta")),
        "persistence_fraction": ("persistence", "--", policy_colour("local")),
        "gaussian_fraction": ("Gaussian, 10 %", ":", MUTED),
    }
    figure = new_figure(3.9)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1))
    for kind, (label, style, colour) in kinds.items():
        pooled = (errors[kind] * weight).groupby(errors["lead_h"]).sum() / weight.groupby(
            errors["lead_h"]
        ).sum()
        left.plot(pooled.index, pooled, style, color=colour, label=label)
    left.set_xlabel("lead, h")
    left.set_ylabel("mean absolute error, all zones")
    left.set_ylim(0)
    left.set_xticks(range(0, 97, 24))
    percent_axis(left.yaxis)
    left.legend(loc="lower right")
    for k, (zone, own) in enumerate(errors.groupby("zone")):
        right.plot(
            own["lead_h"],
            own["issued_fraction"],
            ("-", "--")[k // 5 % 2],
            lw=1.2,
            color=(*OTHER_COLOURS, policy_colour("dat"))[k % 5],
            label=str(zone),
        )
    right.set_yscale("log")
    right.set_xticks(range(0, 97, 24))
    right.set_xlabel("lead, h")
    right.set_ylabel("issued forecasts, share of the zone's mean")
    percent_axis(right.yaxis)
    right.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8)
    return Drawing(
        name="errors",
        title="Errors by lead",
        caption=(
            "Mean absolute error of a year's issues as a share of mean intensity, by hours from the issue to the hour "
            "that is forecast. Left: all zones, weighed by their intensity. Right: each zone; in the hydro zones "
            "errors are large shares of very little."
        ),
        alt="Errors of issued forecasts grow with lead, those of persistence start higher",
        figure=figure,
        data=errors,
    )


@look()
def by_zone(zones: pd.DataFrame, q: int) -> Drawing:
    """Grams of each zone's node under LOCAL, DETA knowing the future, DETA with issued forecasts; what is lost."""
    own = zones[zones["deadline_slots"] == q]
    names = list(own["zone"])
    at = np.arange(len(names))
    figure = new_figure(3.9)
    left, right = figure.subplots(1, 2, width_ratios=(3, 2), sharey=True)
    bars = (
        ("local_g", "LOCAL", policy_colour("local")),
        ("perfect_g", "DETA, future known", MUTED),
        ("issued_g", "DETA, issued forecasts", policy_colour("deta")),
    )
    for k, (column, label, colour) in enumerate(bars):
        left.barh(at + 0.27 * (k - 1), 1000.0 * own[column], height=0.25, color=colour, label=label)
    left.set_yticks(at, names)
    left.invert_yaxis()
    left.set_xlabel("mg CO2e at the zone's node, all days")
    value = own["lost_fraction"].to_numpy()
    spread = np.array([value - own["lost_low"], own["lost_high"] - value], dtype=float)
    right.errorbar(value, at, xerr=np.nan_to_num(spread), fmt="o", color=policy_colour("deta"), capsize=3)
    right.axvline(0.0, color=MUTED, lw=1.0)
    percent_axis(right.xaxis)
    right.set_xlabel("more grams there with issued forecasts,\nshare of the whole gain")
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper left", ncols=3)
    return Drawing(
        name=f"zones-q{q}",
        title=f"Where it is lost: {Q_SAYS.get(q, f'q = {q}')}",
        caption=(
            "Left: grams of each zone's node over the days. Right: how much more the node emits when DETA has issued "
            "forecasts instead of the future, as a share of the whole fleet's gain; bars are 95 % intervals over days. "
            "Work put in another place shows as less here and more there."
        ),
        alt="Grams by zone under LOCAL and DETA",
        figure=figure,
        data=own,
    )


@look()
def ranks(table: pd.DataFrame) -> Drawing:
    """Reduction against LOCAL by policy and reading."""
    readings = list(dict.fromkeys(table["reading"]))
    first = table[table["reading"] == readings[0]].sort_values("rank")["policy"]
    policies = [name for name in first if name not in ("grid", "local")]
    figure = new_figure(4.2)
    axes = figure.subplots()
    for k, policy in enumerate(policies):
        own = table[table["policy"] == policy].set_index("reading").loc[readings]
        at = np.arange(len(readings)) + 0.11 * (k - (len(policies) - 1) / 2)
        value = own["reduction_fraction"].to_numpy()
        spread = np.array([value - own["reduction_low"], own["reduction_high"] - value], dtype=float)
        axes.errorbar(
            at,
            value,
            yerr=np.nan_to_num(spread),
            fmt=policy_marker(policy) if policy in POLICY_MARKERS else OTHER_MARKERS[k % len(OTHER_MARKERS)],
            ms=5,
            lw=1.2,
            color=policy_colour(policy),
            label=policy_label(policy),
        )
    axes.axhline(0.0, color=MUTED, lw=1.0)
    axes.set_xticks(
        range(len(readings)), [name.replace(", ", ",\n").replace(" (", "\n(") for name in readings]
    )
    percent_axis(axes.yaxis)
    axes.set_ylabel("fewer grams than LOCAL")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=len(policies))
    return Drawing(
        name="ranks",
        title="Policies under average and marginal intensity",
        caption=(
            "Reduction against LOCAL, seven US zones, 95 % intervals over days. From left: decided and booked on "
            "average intensity; decided on average, booked on the marginal estimate; decided and booked on it. "
            "GRID is in the table. net-load: all fuels but wind and sun follow the load; fossil: coal, gas and oil "
            "alone."
        ),
        alt="Reductions of the policies under five readings",
        figure=figure,
        data=table,
    )
