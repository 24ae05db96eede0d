"""Operation of the run: status of the decisions, lost nodes and missing readings."""

from __future__ import annotations

from typing import Any

import pandas as pd

from experiments.report import style, units
from experiments.report.figures.base import Drawing, new_figure, no_grid, slot_edges, stage_strip, time_axis
from experiments.report.figures.groups import file_part
from experiments.report.measures import status_kind
from experiments.report.node_names import node_names
from experiments.report.read import Run, Study

STATUS_COLOURS = {
    "optimal": "#2f9e6e",
    "feasible": "#4f83b6",
    "rule": "#b7bcc4",
    "infeasible": "#e0a03a",
    "fallback": "#d1495b",
}
LOST_ROWS = 40


def status_counts(study: Study) -> pd.DataFrame:
    """Rows policies, columns kinds of status, over all seeds and slots."""
    rows = {}
    for policy, by_seed in study.runs.items():
        kinds = pd.concat([run.tables["decisions"]["status"].map(status_kind) for run in by_seed.values()])
        rows[policy] = kinds.value_counts()
    frame = pd.DataFrame(rows).T.reindex(list(study.policies)).fillna(0).astype(int)
    known = [kind for kind in STATUS_COLOURS if kind in frame.columns]
    return frame[known + sorted(set(frame.columns) - set(known))]


def decisions(study: Study) -> Drawing | None:
    """Stacked bars of decisions by status; None when there are none."""
    frame = status_counts(study)
    if frame.empty or not frame.to_numpy().sum():
        return None
    policies = list(frame.index)
    figure = new_figure(1.2 + 0.36 * len(policies))
    ax = figure.subplots()
    drawing = Drawing(
        name="decisions",
        title="Decisions by status",
        caption=(
            "Slots of all seeds. Optimal: proven by the solver for the program of that slot; feasible: "
            "keeps every limit, gap reported (also the best plan at a time limit); rule: the policy is a "
            "rule and solves no program; fallback: replaced by another policy."
        ),
        alt="; ".join(
            f"{style.policy_label(p)} "
            + ", ".join(f"{k} {int(frame.loc[p, k])}" for k in frame.columns if frame.loc[p, k])
            for p in policies
        ),
        figure=figure,
        data=frame.rename_axis("policy").reset_index(),
    )
    left = pd.Series(0, index=policies)
    for kind in frame.columns:
        bars = ax.barh(
            range(len(policies)),
            frame[kind],
            left=left,
            height=0.6,
            color=STATUS_COLOURS.get(kind, "#a3722d"),
            edgecolor=style.PAPER,
            lw=0.7,
            label=kind,
        )
        for policy, bar in zip(policies, bars, strict=True):
            drawing.tip(
                bar, f"{style.policy_label(policy)}: {units.count(float(frame.loc[policy, kind]))} × {kind}"
            )
        left = left + frame[kind]
    ax.set_yticks(range(len(policies)), [style.policy_label(policy) for policy in policies])
    ax.invert_yaxis()
    ax.set_xlabel("decisions")
    ax.tick_params(axis="y", length=0)
    no_grid(ax, "y")
    figure.legend(loc="outside upper left", ncols=6, handlelength=1.3)
    return drawing


def losses(study: Study) -> list[Drawing]:
    """For every run that lost a node or a reading: which node, and when."""
    return [
        _lost(run)
        for run in study
        if bool((~run.tables["slots"]["alive"] | ~run.tables["slots"]["metered"]).any())
    ]


def _lost(run: Run) -> Drawing:
    slots = run.tables["slots"]
    bad = slots[~slots["alive"] | ~slots["metered"]]
    hit = [node for node in run.node_ids if node in set(bad["node_id"])][:LOST_ROWS]
    edges = slot_edges(slots, float(run.metadata["trace_step_s"]))
    position = {slot: k for k, slot in enumerate(sorted(slots["slot"].unique()))}
    figure = new_figure(1.45 + 0.3 * len(hit))
    ax = figure.subplots()
    label = f"{style.policy_label(run.policy)}, seed {run.seed}"
    names = node_names(run.tables["nodes"])
    drawing = Drawing(
        name=f"losses-{file_part(run.policy)}-s{run.seed}",
        title="Lost nodes and missing readings",
        tab=label,
        caption=(
            f"{label}: nodes with a loss only. Red: the node was dead; yellow: it was thought alive and "
            f"its reading is missing. "
            "Energy and grams of these slots are not in any total: the totals are lower bounds."
        ),
        alt=f"{label}: "
        + "; ".join(f"{names[node]} {int((bad['node_id'] == node).sum())} slots" for node in hit),
        figure=figure,
        data=bad[["slot", "time", "stage", "node_id", "zone", "alive", "metered"]],
    )
    for row in bad[bad["node_id"].isin(hit)].itertuples():
        k, y = position[row.slot], hit.index(str(row.node_id))
        cell = ax.fill_between(
            [float(edges[k]), float(edges[k + 1])],
            y - 0.36,
            y + 0.36,
            color=style.CURTAILED if row.alive else style.BAD,
            lw=0,
        )
        what = "no reading" if row.alive else "dead"
        drawing.tip(cell, f"{names[str(row.node_id)]}, slot {row.slot} ({row.stage}): {what}")
    ax.set_yticks(range(len(hit)), [names[node] for node in hit])
    ax.set_ylim(len(hit) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    time_axis(ax, edges)
    stage_strip(ax, slots, edges)
    return drawing


__all__: list[Any] = ["decisions", "losses", "status_counts"]
