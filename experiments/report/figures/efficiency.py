"""TREE and EE in bit/J: by policy for the whole testbed, by node for every policy; grams by node."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.lines import Line2D

from experiments.report import style, units
from experiments.report.figures.base import Drawing, from_zero, new_figure, no_grid
from experiments.report.figures.groups import group_names, grouping
from experiments.report.measures import alpha_bits_per_token, over_seeds, totals
from experiments.report.read import Study

FIELDS = (
    ("tree_testbed_bit_per_j", "TREE, testbed"),
    ("tree_generated_testbed_bit_per_j", "over generated tokens"),
    ("ee_testbed_bit_per_j", "EE, testbed"),
)
GRAMS = "operational_g"
PANELS: tuple[tuple[str, str, Any], ...] = (
    (GRAMS, "Emissions", units.grams_scale),
    ("tree_node_bit_per_j", "TREE, node", units.bits_per_joule_scale),
    ("ee_node_bit_per_j", "EE, node", units.bits_per_joule_scale),
)


def by_policy(study: Study) -> Drawing | None:
    """Panels of bars with seeds; None when nothing can be stated, or no bit and no token was delivered."""
    shown = [
        (name, title)
        for name, title in FIELDS
        if all(over_seeds(study, p, name) is not None for p in study.policies)
        and any(getattr(totals(run), name) > 0 for run in study)
    ]
    if not shown:
        return None
    policies = list(study.policies)
    figure = new_figure(0.95 + 0.44 * len(policies))
    axes: Any = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    alpha = alpha_bits_per_token(study.any_run)
    drawing = Drawing(
        name="tree-by-policy",
        title="TREE and EE of the testbed by policy",
        caption=(
            "Token-responsive energy efficiency, TREE = (bits + α · tokens) / joules, over input and generated tokens "
            "and over generated ones alone, and EE = bits / joules, over the whole run and all energy of the testbed, "
            "coordinator, router, network and users' devices included. "
            "Tokens are those of services that generate; a class is not a token."
            + (f" α = {units.count(alpha)} bit per token." if alpha is not None else "")
            + " Bar: mean; dots: seeds."
        ),
        alt="; ".join(
            f"{title} "
            + ", ".join(
                f"{style.policy_label(p)} "
                f"{units.spread(over_seeds(study, p, name), units.bits_per_joule_scale)}"
                for p in policies
            )
            for name, title in shown
        ),
        figure=figure,
        data=pd.DataFrame(
            [
                {"policy": r.policy, "seed": r.seed, **{name: getattr(totals(r), name) for name, _ in FIELDS}}
                for r in study
            ]
        ),
    )
    for ax, (name, title) in zip(axes, shown, strict=True):
        largest = max(float(getattr(totals(run), name)) for run in study)
        scale = units.bits_per_joule_scale(largest)
        for y, policy in enumerate(policies):
            value = over_seeds(study, policy, name)
            assert value is not None
            bar = ax.barh(y, value.mean * scale.factor, height=0.62, color=style.policy_colour(policy), lw=0)[
                0
            ]
            drawing.tip(bar, f"{title}, {style.policy_label(policy)}: {scale.text(value.mean)}")
            if value.n > 1:
                ax.plot(
                    [v * scale.factor for v in value.values],
                    [y] * value.n,
                    "o",
                    ms=3.5,
                    mfc=style.PAPER,
                    mec=style.INK,
                    mew=0.8,
                )
            ax.annotate(
                scale.text(value.mean),
                (max(value.values) * scale.factor, y),
                (7, 0),
                textcoords="offset points",
                va="center",
                fontsize=9,
            )
        ax.set_title(title)
        ax.set_xlabel(scale.unit)
        from_zero(ax, largest * scale.factor * 1.6)
        ax.tick_params(axis="y", length=0)
        no_grid(ax, "y")
    axes[0].set_yticks(range(len(policies)), [style.policy_label(policy) for policy in policies])
    axes[0].set_ylim(len(policies) - 0.5, -0.5)
    return drawing


def _nodes(study: Study) -> tuple[pd.DataFrame, list[str], str]:
    """Mean over seeds by policy and group; bit/J values weighted by the node's joules."""
    group_of, groups, kind = grouping(study.any_run.tables["nodes"], study.any_run.node_ids)
    frames = []
    for run in study:
        nodes = run.tables["nodes"]
        frame = nodes.assign(
            policy=run.policy,
            group=nodes["node_id"].map(group_of),
            tree_bits=nodes["tree_node_bit_per_j"] * nodes["demand_j"],
            ee_bits=nodes["ee_node_bit_per_j"] * nodes["demand_j"],
            rated_j=nodes["demand_j"].where(nodes["tree_node_bit_per_j"].notna()),
            seeds=len(study.runs[run.policy]),
        )
        frames.append(frame)
    every = pd.concat(frames, ignore_index=True)
    every["share_g"] = every["operational_g"] / every["seeds"]
    sums = every.groupby(["policy", "group"])[["tree_bits", "ee_bits", "rated_j", "share_g"]].sum(min_count=1)
    sums["tree_node_bit_per_j"] = sums["tree_bits"] / sums["rated_j"]
    sums["ee_node_bit_per_j"] = sums["ee_bits"] / sums["rated_j"]
    return sums.rename(columns={"share_g": "operational_g"}).reset_index(), groups, kind


def by_node(study: Study) -> Drawing:
    """Panels with one row per node: grams, and TREE and EE where a node delivered anything; one marker per policy."""
    frame, groups, kind = _nodes(study)
    panels = [panel for panel in PANELS if panel[0] == GRAMS or (frame[panel[0]] > 0).any()]
    figure = new_figure(1.5 + 0.265 * len(groups))
    axes: Any = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    names = group_names(study.any_run, groups)
    drawing = Drawing(
        name="by-node",
        title=f"{'Grams, TREE and EE' if len(panels) > 1 else 'Grams'} by {kind}",
        caption=(
            f"Every {kind} from low (top) to high mean grid intensity (bottom); mean over seeds. A "
            f"{kind}'s own grid energy "
            "only"
            + (
                "; TREE and EE count the tokens and bits it delivered against the joules it used."
                if len(panels) > 1
                else "; no node delivered bits or tokens."
            )
        ),
        alt="Grams: "
        + "; ".join(
            f"{style.policy_label(policy)} "
            + ", ".join(f"{names[str(group)]} {units.grams(float(grams))}" for group, grams in part.items())
            for policy in study.policies
            for part in [frame[frame["policy"] == policy].set_index("group")["operational_g"].reindex(groups)]
        ),
        figure=figure,
        data=frame[["policy", "group", "operational_g", "tree_node_bit_per_j", "ee_node_bit_per_j"]],
    )
    for ax, (column, title, fit) in zip(axes, panels, strict=True):
        largest = frame[column].max()
        scale = fit(0.0 if pd.isna(largest) else float(largest))
        for y, group in enumerate(groups):
            ax.axhline(y, color=style.RULE, lw=0.8, zorder=0)
            own = frame[frame["group"] == group].set_index("policy")[column]
            if own.notna().sum() > 1:
                ax.plot(
                    [own.min() * scale.factor, own.max() * scale.factor],
                    [y, y],
                    color=style.RULE,
                    lw=4,
                    zorder=1,
                    solid_capstyle="round",
                )
            for policy in study.policies:
                value = float(own.get(policy, float("nan")))
                if not pd.isna(value):
                    dot = ax.plot(
                        value * scale.factor,
                        y,
                        style.policy_marker(policy),
                        ms=6.5,
                        color=style.policy_colour(policy),
                        mec=style.PAPER,
                        mew=0.7,
                    )[0]
                    drawing.tip(
                        dot,
                        f"{names[group]}\n{style.policy_label(policy)}: {scale.text(value)}",
                        series=policy,
                    )
        ax.set_title(title)
        ax.set_xlabel(f"{scale.unit} CO₂e" if column == GRAMS else scale.unit)
        ax.set_xlim(left=0)
        ax.margins(x=0.06)
        ax.tick_params(axis="y", length=0)
        no_grid(ax, "y")
    axes[0].set_yticks(range(len(groups)), [names[group] for group in groups])
    axes[0].set_ylim(len(groups) - 0.5, -0.5)
    figure.legend(
        handles=[
            Line2D(
                [],
                [],
                ls="",
                marker=style.policy_marker(p),
                color=style.policy_colour(p),
                ms=7,
                label=style.policy_label(p),
            )
            for p in study.policies
        ],
        loc="outside upper left",
        ncols=8,
        handletextpad=0.2,
        columnspacing=1.2,
    )
    return drawing
