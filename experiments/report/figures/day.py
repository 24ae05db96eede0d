"""Figures of the replayed day: grid intensity and harvest by node, sources of the fleet's energy, and the
batteries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.patches import Patch

from experiments.report import style, units
from experiments.report.figures.base import (
    Drawing,
    Edges,
    clock,
    new_figure,
    slot_bands,
    slot_edges,
    spread_labels,
    stage_strip,
    time_axis,
)
from experiments.report.figures.groups import by_group, file_part, group_names, level_colours
from experiments.report.figures.look import battery_map
from experiments.report.read import Run, Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


LABELLED = 14
"""Up to this many lines have their name at the right end; more are distinguished by colour and pointer only."""


def _edges(run: Run) -> Edges:
    return slot_edges(run.tables["slots"], float(run.metadata["trace_step_s"]))


def intensity_and_harvest(study: Study) -> Drawing:
    """Two panels over the trace: c_i(t) and h_i(t) of every node, coloured by the node's mean intensity."""
    run = study.any_run
    edges = _edges(run)
    intensity, kind = by_group(run, "intensity_g_per_kwh", "mean")
    lasted_s = run.each_lasted_s
    power = by_group(run, "harvest_j", "mean")[0].div(lasted_s.where(lasted_s > 0.0), axis=0)
    groups = list(intensity.columns)
    colours, mapping = level_colours(run, groups)
    names = group_names(run, groups)
    harvesting = [group for group in groups if float(power[group].max() or 0) > 0]
    scale = units.watts_scale(float(np.nanmax(power.to_numpy())) if harvesting else 1.0)
    figure = new_figure(5.6)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[1.25, 1])
    data = intensity.add_suffix("_intensity_g_per_kwh").join(power.add_suffix("_harvest_w")).reset_index()
    drawing = Drawing(
        name="intensity-and-harvest",
        title="Grid intensity and harvest over the day",
        caption=(
            f"Every line is one {kind}, coloured by its mean grid intensity (green low, red high). "
            f"Above: carbon intensity "
            f"of its grid; below: mean harvested power ({len(harvesting)} of {len(groups)} harvest). Policy "
            f"{style.policy_label(run.policy)}, seed {run.seed}; the harvest differs between seeds, not "
            f"between policies."
        ),
        alt="Mean grid intensity: "
        + "; ".join(f"{names[g]} {units.number(float(intensity[g].mean()))} g/kWh" for g in groups),
        figure=figure,
        data=data,
    )
    for ax, frame, factor in ((upper, intensity, 1.0), (lower, power, scale.factor)):
        shown = groups if ax is upper else harvesting
        top = max((float(frame[group].max()) for group in shown), default=1.0) * factor or 1.0
        for group in shown:
            values = frame[group].to_numpy() * factor
            line = ax.stairs(values, edges, baseline=None, color=colours[group], lw=1.7)
            drawing.tip(line, "", series=group)
        ax.set_ylim(0, top * 1.05)
        if len(shown) <= LABELLED:
            ends = [float(np.nan_to_num(frame[group].iloc[-1])) * factor for group in shown]
            if ax is lower:  # at night all ends meet at zero: name the lines by their peaks' order instead
                ends = [float(frame[group].max()) * factor for group in shown]
            for group, y in zip(
                shown, spread_labels(ends, top * (0.072 if ax is upper else 0.092), top * 0.01), strict=True
            ):
                text = ax.annotate(
                    names[group],
                    (1, y),
                    (10, 0),
                    xycoords=("axes fraction", "data"),
                    textcoords="offset points",
                    va="center",
                    fontsize=8.2,
                    annotation_clip=False,
                )
                ax.plot(
                    [1.008],
                    [y],
                    "s",
                    color=colours[group],
                    ms=4,
                    transform=ax.get_yaxis_transform(),
                    clip_on=False,
                    in_layout=False,
                )
                drawing.tip(
                    text,
                    f"{names[group]}\nmean {units.number(float(intensity[group].mean()))} g/kWh",
                    series=group,
                )
        texts = []
        for k in range(len(frame)):
            head = f"{clock(edges[k], '%d %b %H:%M')}"
            if len(shown) <= LABELLED:
                unit = "g/kWh" if ax is upper else scale.unit
                body = "\n".join(
                    f"{names[group]}  {_shown(float(frame[group].iloc[k]) * factor)} {unit}"
                    for group in reversed(shown)
                )
            else:
                body = f"median {_shown(float(frame[shown].iloc[k].median()) * factor)}"
            texts.append(f"{head}\n{body}")
        slot_bands(drawing, ax, edges, texts)
    if not harvesting:
        lower.text(
            0.5,
            0.5,
            "no node harvests energy in this scenario",
            transform=lower.transAxes,
            ha="center",
            color=style.MUTED,
        )
    if len(groups) > LABELLED:
        figure.colorbar(mapping, ax=[upper, lower], label="mean intensity, g CO₂e per kWh", pad=0.02)
    upper.set_ylabel("intensity, g CO₂e per kWh")
    lower.set_ylabel(f"harvested power, {scale.unit}")
    time_axis(lower, edges)
    stage_strip(upper, run.tables["slots"], edges)
    return drawing


def _shown(value: float) -> str:
    return units.NO_VALUE if np.isnan(value) else units.number(value)


def energy_balance(study: Study) -> Drawing:
    """Sources of the fleet's energy in every slot, small multiples by policy."""
    policies = list(study.policies)
    sums = {policy: _fleet_by_slot(study.first(policy)) for policy in policies}
    largest = max(
        float((frame["green_j"] + frame["grid_j"] + frame["curtailed_j"]).max()) for frame in sums.values()
    )
    largest = largest or 1.0
    scale = units.joules_scale(largest)
    columns = 2 if len(policies) == 4 else min(3, len(policies))
    rows = -(-len(policies) // columns)
    figure = new_figure(0.75 + 2.15 * rows)
    axes: Any = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    drawing = _balance_drawing(study, sums, figure)
    for k, ax in enumerate(axes.flat):
        if k >= len(policies):
            ax.set_visible(False)
            continue
        edges = _edges(study.first(policies[k]))
        _balance_panel(ax, policies[k], sums[policies[k]], edges, scale)
        slot_bands(drawing, ax, edges, _balance_texts(sums[policies[k]], edges, scale))
        ax.set_ylim(0, largest * scale.factor * 1.06 or 1.0)
        time_axis(ax, edges, ticks=5)
        ax.set_xlabel("")
        if k % columns == 0:
            ax.set_ylabel(f"per slot, {scale.unit}")
        if k + columns >= len(policies):
            ax.tick_params(labelbottom=True)
    figure.supxlabel("time of the replayed trace, UTC", fontsize=9, color=style.MUTED)
    figure.legend(
        handles=[
            Patch(color=style.GREEN, label="green"),
            Patch(color=style.GRID_ENERGY, label="grid"),
            Patch(facecolor=style.CURTAILED, hatch="////", edgecolor=style.PAPER, label="curtailed"),
        ],
        loc="outside upper left",
        ncols=3,
        handlelength=1.3,
    )
    return drawing


def _fleet_by_slot(run: Run) -> pd.DataFrame:
    """Joules of all nodes in every slot: green, from the grid, curtailed, harvested."""
    columns = ["green_j", "grid_j", "curtailed_j", "harvest_j"]
    return run.tables["slots"].groupby("slot")[columns].sum()


def _balance_drawing(study: Study, sums: dict[str, pd.DataFrame], figure: Figure) -> Drawing:
    first_seeds = sorted({study.first(policy).seed for policy in sums})
    shares = {policy: _share(frame["green_j"].sum(), frame["grid_j"].sum()) for policy, frame in sums.items()}
    return Drawing(
        name="energy-balance",
        title="Where the nodes' energy came from",
        caption=(
            "Demand of all edge nodes in every slot: met from harvest, battery and transfers (green) or "
            "from the grid (grey); "
            f"hatched: harvest that no node could use or store (curtailed). Seed "
            f"{', '.join(map(str, first_seeds))}."
        ),
        alt="Share of demand met by harvest: "
        + "; ".join(
            f"{style.policy_label(policy)} {units.percent(share)}" for policy, share in shares.items()
        ),
        figure=figure,
        data=pd.concat(sums, names=["policy"]).reset_index(),
    )


def _balance_panel(ax: Axes, policy: str, sums: pd.DataFrame, edges: Edges, scale: units.Scale) -> None:
    """Green, grid and curtailed joules of one policy, stacked."""
    frame = sums * scale.factor
    green, demand = frame["green_j"].to_numpy(), (frame["green_j"] + frame["grid_j"]).to_numpy()
    ax.stairs(green, edges, fill=True, color=style.GREEN)
    ax.stairs(demand, edges, baseline=green, fill=True, color=style.GRID_ENERGY)
    ax.stairs(
        demand + frame["curtailed_j"].to_numpy(),
        edges,
        baseline=demand,
        fill=True,
        facecolor=style.CURTAILED,
        hatch="////",
        edgecolor=style.PAPER,
        lw=0,
    )
    green_share = _share(float(frame["green_j"].sum()), float(frame["grid_j"].sum()))
    ax.set_title(style.policy_label(policy), pad=5)
    ax.set_title(
        f"{units.percent(green_share, 0)} green",
        loc="right",
        fontsize=9,
        fontweight="normal",
        color=style.MUTED,
        pad=5,
    )


def _balance_texts(sums: pd.DataFrame, edges: Edges, scale: units.Scale) -> list[str]:
    """What is shown when the pointer rests on a slot."""
    return [
        f"{clock(edges[t])}\ngreen {scale.text(float(sums['green_j'].iloc[t]))}\n"
        f"grid {scale.text(float(sums['grid_j'].iloc[t]))}\n"
        f"curtailed {scale.text(float(sums['curtailed_j'].iloc[t]))}"
        for t in range(len(sums))
    ]


def _share(part: float, rest: float) -> float | None:
    return part / (part + rest) if part + rest > 0 else None


def batteries(study: Study) -> list[Drawing]:
    """Stored energy by node and slot, one heat map per policy; empty when no node stores energy."""
    stored = {p: by_group(study.first(p), "battery_after_j", "sum") for p in study.policies}
    used = {
        p: frame
        for p, (frame, _) in stored.items()
        if float(np.nan_to_num(frame.to_numpy()).max(initial=0.0)) > 0
    }
    if not used:
        return []
    largest = max(float(np.nanmax(frame.to_numpy())) for frame in used.values())
    scale = units.joules_scale(largest)
    return [
        _battery(study.first(policy), frame, stored[policy][1], largest, scale)
        for policy, frame in used.items()
    ]


def _battery(run: Run, frame: pd.DataFrame, kind: str, largest: float, scale: units.Scale) -> Drawing:
    edges = _edges(run)
    groups = [group for group in frame.columns if float(np.nan_to_num(frame[group].to_numpy()).max()) > 0]
    figure = new_figure(1.5 + 0.24 * max(3, len(groups)))
    ax = figure.subplots()
    names = group_names(run, groups)
    drawing = Drawing(
        name=f"battery-{file_part(run.policy)}",
        title="Energy in the batteries",
        tab=style.policy_label(run.policy),
        caption=(
            f"Stored energy at the end of every slot by {kind}, from low (top) to high grid intensity; "
            f"{kind}s that never "
            f"store anything are left out ({frame.shape[1] - len(groups)}). "
            f"{style.policy_label(run.policy)}, seed {run.seed}."
        ),
        alt=f"{style.policy_label(run.policy)}: most energy stored by "
        + "; ".join(f"{names[g]} {scale.text(float(np.nanmax(frame[g])))}" for g in groups),
        figure=figure,
        data=frame.add_suffix("_stored_j").reset_index(),
    )
    values = frame[groups].to_numpy().T * scale.factor
    image = ax.pcolormesh(
        edges,
        np.arange(len(groups) + 1),
        np.ma.masked_invalid(values),
        cmap=battery_map(),
        vmin=0,
        vmax=largest * scale.factor,
        rasterized=values.size > 3000,
        edgecolors=style.PAPER if values.size <= 3000 else "none",
        linewidth=0.6,
    )
    texts = [
        f"{clock(edges[t + 1])}\n"
        + "\n".join(f"{names[g]}  {scale.text(float(frame[g].iloc[t]))}" for g in groups[:LABELLED])
        for t in range(len(frame))
    ]
    slot_bands(drawing, ax, edges, texts)
    ax.set_yticks(np.arange(len(groups)) + 0.5, [names[group] for group in groups])
    ax.set_ylim(len(groups), 0)
    ax.tick_params(axis="y", length=0)
    ax.grid(False)
    time_axis(ax, edges)
    stage_strip(ax, run.tables["slots"], edges)
    figure.colorbar(image, ax=ax, label=f"stored, {scale.unit}", pad=0.015, aspect=12)
    return drawing
