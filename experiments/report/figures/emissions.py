"""Emissions: by policy with every seed, reductions against both baselines, by life-cycle stage, over the
day."""

from __future__ import annotations

import pandas as pd

from experiments.report import style, units
from experiments.report.figures.base import (
    Drawing,
    clock,
    from_zero,
    new_figure,
    no_grid,
    slot_bands,
    slot_edges,
    stage_strip,
    time_axis,
)
from experiments.report.measures import (
    by_category,
    emissions_by_seed,
    over_seeds,
    totals,
)
from experiments.report.read import Study


def _jitter(count: int, width: float = 0.26) -> list[float]:
    """Fixed offsets, so that seeds do not hide each other."""
    return [0.0] if count == 1 else [width * (k / (count - 1) - 0.5) * 2 for k in range(count)]


def seeds_text(study: Study) -> str:
    n = len(study.seeds)
    return f"{n} paired seeds" if n > 1 else f"one seed ({study.seeds[0]}): no spread can be stated"


def by_policy(study: Study) -> Drawing | None:
    """Bars: mean over seeds; points: seeds; line: one standard deviation. None for a single run."""
    if not study.is_comparison:
        return None
    policies = list(study.policies)
    figure = new_figure(0.9 + 0.52 * len(policies))
    ax = figure.subplots()
    largest = max(totals(run).emissions_g for run in study)
    scale = units.grams_scale(largest)
    rows = [
        {
            "policy": run.policy,
            "seed": run.seed,
            "emissions_g": totals(run).emissions_g,
            "nodes_and_network_g": totals(run).nodes_and_network_g,
        }
        for run in study
    ]
    drawing = Drawing(
        name="emissions-by-policy",
        title="Emissions by policy",
        caption=(
            "Whole testbed: edge nodes, network, users' devices, coordinator and router. Bar: mean; dots: single "
            "seeds; line: one "
            f"standard deviation; {seeds_text(study)}."
        ),
        alt="Emissions: "
        + "; ".join(
            f"{style.policy_label(p)} {units.spread(over_seeds(study, p, 'emissions_g'), units.grams_scale)}"
            for p in policies
        ),
        figure=figure,
        data=pd.DataFrame(rows),
    )
    for y, policy in enumerate(policies):
        value = over_seeds(study, policy, "emissions_g")
        assert value is not None
        colour = style.policy_colour(policy)
        bar = ax.barh(y, value.mean * scale.factor, height=0.66, color=colour, lw=0)[0]
        drawing.tip(
            bar, f"{style.policy_label(policy)}\nmean {scale.text(value.mean)} over {value.n} seed(s)"
        )
        if value.sd is not None:
            ax.plot(
                [(value.mean - value.sd) * scale.factor, (value.mean + value.sd) * scale.factor],
                [y, y],
                color=style.INK,
                lw=1.3,
                zorder=3,
            )
        by_seed = emissions_by_seed(study, policy)
        for offset, (seed, grams) in zip(_jitter(len(by_seed)), by_seed.items(), strict=True):
            dot = ax.plot(
                grams * scale.factor, y + offset, "o", ms=5, mfc=style.PAPER, mec=style.INK, mew=1.0, zorder=4
            )[0]
            drawing.tip(dot, f"{style.policy_label(policy)}, seed {seed}: {units.grams(grams, 4)}")
        right = max([*by_seed.values(), value.mean + (value.sd or 0.0)]) * scale.factor
        ax.annotate(
            units.spread(value, lambda _: scale),
            (right, y),
            (9, 0),
            textcoords="offset points",
            va="center",
            fontsize=9.5,
            fontweight="bold",
        )
    ax.set_yticks(range(len(policies)), [style.policy_label(policy) for policy in policies])
    ax.invert_yaxis()
    from_zero(ax, largest * scale.factor * 1.24)
    ax.set_xlabel(f"operational emissions, {scale.unit} CO₂e")
    ax.tick_params(axis="y", length=0)
    no_grid(ax, "y")
    return drawing


def stacked(study: Study, value: str, name: str, title: str, caption: str) -> Drawing:
    """Stacked bars by policy over life-cycle stages and own lines: ``operational_g`` or ``energy_j``."""
    frame = by_category(study, value)
    in_grams = value == "operational_g"
    largest = float(frame.sum(axis=1).max())
    scale = units.grams_scale(largest) if in_grams else units.joules_scale(largest)
    policies = list(frame.index)
    columns = [column for column in frame.columns if frame[column].abs().max() > 0]
    figure = new_figure(1.2 + 0.5 * len(policies))
    ax = figure.subplots()
    drawing = Drawing(
        name=name,
        title=title,
        caption=caption,
        alt=title
        + ": "
        + "; ".join(
            f"{style.policy_label(p)} "
            + ", ".join(f"{c} {scale.text(float(frame.loc[p, c]))}" for c in columns)
            for p in policies
        ),
        figure=figure,
        data=frame.rename_axis("policy").add_suffix("_g" if in_grams else "_j").reset_index(),
    )
    handles = []
    for column in columns:
        left = frame[columns[: columns.index(column)]].sum(axis=1) * scale.factor
        bars = ax.barh(
            range(len(policies)),
            frame[column] * scale.factor,
            left=left,
            height=0.66,
            color=style.category_colour(column),
            hatch=style.CATEGORY_HATCHES.get(column),
            edgecolor=style.PAPER,
            lw=0.7,
            label=column,
        )
        handles.append(bars)
        for policy, bar in zip(policies, bars, strict=True):
            amount, whole = float(frame.loc[policy, column]), float(frame.loc[policy].sum())
            share = units.percent(amount / whole) if whole else units.NO_VALUE
            drawing.tip(
                bar, f"{style.policy_label(policy)}, {column}: {scale.text(amount)} ({share})", series=column
            )
    for y, policy in enumerate(policies):
        whole = float(frame.loc[policy].sum())
        ax.annotate(
            scale.text(whole),
            (whole * scale.factor, y),
            (7, 0),
            textcoords="offset points",
            va="center",
            fontsize=9.5,
            fontweight="bold",
        )
    ax.set_yticks(range(len(policies)), [style.policy_label(policy) for policy in policies])
    ax.invert_yaxis()
    from_zero(ax, largest * scale.factor * 1.14)
    ax.set_xlabel(f"operational emissions, {scale.unit} CO₂e" if in_grams else f"energy, {scale.unit}")
    ax.tick_params(axis="y", length=0)
    no_grid(ax, "y")
    if handles:
        figure.legend(
            handles=handles,
            loc="outside upper left",
            ncols=len(handles) if len(handles) <= 8 else 5,
            handlelength=1.2,
            columnspacing=1.0,
            fontsize=8.6,
        )
    return drawing


def by_stage(study: Study) -> Drawing:
    return stacked(
        study,
        "operational_g",
        "emissions-by-stage",
        "Grams by life-cycle stage",
        "Stages of the software's life (preparation, development, application, recycling), idle energy "
        "that no task owns "
        "(unallocated), and, hatched, the lines of no node: network, users' devices, coordinator, router. "
        "Mean over seeds.",
    )


def energy_by_stage(study: Study) -> Drawing:
    return stacked(
        study,
        "energy_j",
        "energy-by-stage",
        "Energy by life-cycle stage",
        "The same lines in joules, grid and harvested energy together. Mean over seeds.",
    )


def cumulative(study: Study) -> Drawing:
    """Cumulative emissions over the run, one line per policy."""
    run = study.any_run
    slots = run.tables["slots"]
    edges = slot_edges(slots, float(run.metadata["trace_step_s"]))
    numbers = sorted(slots["slot"].unique())
    series: dict[str, pd.Series] = {}
    for policy, by_seed in study.runs.items():
        per_seed = [
            one.tables["lines"].groupby("slot")["operational_g"].sum().reindex(numbers, fill_value=0.0)
            for one in by_seed.values()
        ]
        series[policy] = pd.concat(per_seed, axis=1).mean(axis=1).cumsum()
    scale = units.grams_scale(max(float(line.iloc[-1]) for line in series.values()))
    figure = new_figure(3.2)
    ax = figure.subplots()
    drawing = Drawing(
        name="emissions-over-time",
        title="Cumulative emissions",
        caption="Cumulative emissions of the whole testbed over the replayed trace, mean over seeds.",
        alt="Cumulative emissions at the end: "
        + "; ".join(
            f"{style.policy_label(p)} {scale.text(float(line.iloc[-1]))}" for p, line in series.items()
        ),
        figure=figure,
        data=pd.DataFrame(series).add_suffix("_cumulative_g").rename_axis("slot").reset_index(),
    )
    for policy, line in series.items():
        handle = ax.plot(
            edges,
            [0.0, *(line * scale.factor)],
            color=style.policy_colour(policy),
            label=style.policy_label(policy),
            marker=style.policy_marker(policy),
            markevery=[-1],
            ms=6,
            clip_on=False,
        )[0]
        drawing.tip(handle, "", series=policy)
    texts = [
        f"until {clock(edges[k + 1])}\n"
        + "\n".join(
            f"{style.policy_label(p)}  {scale.text(float(line.iloc[k]))}" for p, line in series.items()
        )
        for k in range(len(numbers))
    ]
    slot_bands(drawing, ax, edges, texts)
    ax.set_ylim(bottom=0)
    ax.set_ylabel(f"emissions so far, {scale.unit} CO₂e")
    time_axis(ax, edges)
    stage_strip(ax, slots, edges)
    figure.legend(loc="outside right upper", handlelength=1.4)
    return drawing
