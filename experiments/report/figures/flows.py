"""Energy transfers and offloaded batches between nodes: bands between two columns of nodes, and matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.colors import to_hex
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path

from experiments.report import style, units
from experiments.report.figures.base import Drawing, new_figure, spread_labels
from experiments.report.figures.groups import file_part, group_names, grouping, level_colours
from experiments.report.figures.look import energy_map, work_map
from experiments.report.read import Run, Study

BANDS_AT_MOST = 24
"""Above this many nodes or zones only the matrices are drawn."""


def matrix(run: Run, flow: str) -> tuple[pd.DataFrame, str]:
    """From x to, groups from low to high intensity. ``flow``: ``energy`` (J sent, posted) or ``batches``
    (moved)."""
    group_of, groups, kind = grouping(run.tables["nodes"], run.node_ids)
    if flow == "energy":
        table = run.tables["energy_flows"].query("status == 'posted'")
        source, target, value = "donor", "recipient", "sent_j"
    else:
        table = run.tables["batch_flows"].query("owner != executor")
        source, target, value = "owner", "executor", "batches"
    sums = (
        table.assign(source=table[source].map(group_of), target=table[target].map(group_of))
        .groupby(["source", "target"])[value]
        .sum()
    )
    frame = (
        sums.unstack("target").reindex(index=groups, columns=groups)
        if len(sums)
        else pd.DataFrame(0.0, groups, groups)
    )
    return frame.fillna(0.0).astype(float), kind


def flows(study: Study) -> list[Drawing]:
    """For every policy that moved anything: bands, then matrices."""
    drawings: list[Drawing] = []
    for policy in study.policies:
        run = study.first(policy)
        energy, kind = matrix(run, "energy")
        batches, _ = matrix(run, "batches")
        if energy.to_numpy().sum() > 0 or batches.to_numpy().sum() > 0:
            drawings.append(_draw(run, energy, batches, kind))
    return drawings


def _draw(run: Run, energy: pd.DataFrame, batches: pd.DataFrame, kind: str) -> Drawing:
    sides = [
        (frame, title, verb, scale, colours)
        for frame, title, verb, scale, colours in (
            (
                energy,
                "Energy transfers",
                "gives to",
                units.joules_scale(float(energy.to_numpy().max())),
                energy_map(),
            ),
            (batches, "Moved batches", "has work done by", units.Scale(1.0, "batches"), work_map()),
        )
        if frame.to_numpy().sum() > 0
    ]
    groups = list(energy.index)
    names = group_names(run, groups)
    bands = len(groups) <= BANDS_AT_MOST
    height = 0.235 * max(8, min(len(groups), 40))
    figure = new_figure((height + 0.9) * (2 if bands else 1) + 1.0)
    axes: Any = figure.subplots(2 if bands else 1, 2, squeeze=False)
    label = style.policy_label(run.policy)
    data = pd.concat(
        {
            name: frame.rename_axis("from").reset_index().melt("from", var_name="to")
            for name, frame in (("energy_sent_j", energy), ("batches_moved", batches))
        },
        names=["flow"],
    ).reset_index("flow")
    drawing = Drawing(
        name=f"flows-{file_part(run.policy)}",
        title=f"Flows between {kind}s",
        tab=label,
        caption=(
            f"Whole run, {label}, seed {run.seed}; every {kind} from low (top) to high mean grid "
            f"intensity (bottom). Left: "
            "energy leaving the donor's green bus, an accounted transfer between sites; right: batches "
            "really sent from "
            "owner to executor. "
            + ("Above: width of a band is the amount; below: " if bands else "")
            + ("the same amounts as matrices, " if bands else "Matrices, ")
            + "row gives, column takes (<: below a hundredth of the largest)."
            + ("" if kind == "node" else f" On the diagonal: between nodes of one {kind}.")
        ),
        alt=_alt(label, energy, batches, names),
        figure=figure,
        data=data[data["value"] > 0],
    )
    for column in range(2):
        if column >= len(sides):
            for row in axes:
                row[column].set_visible(False)
            continue
        frame, title, verb, scale, colours = sides[column]
        total = float(frame.to_numpy().sum())
        if bands:
            _bands(drawing, axes[0][column], frame, run, verb, scale)
            axes[0][column].set_title(f"{title}: {scale.text(total)}")
        _matrix(drawing, axes[-1][column], frame, names, verb, scale, colours, within=kind != "node")
        if not bands:
            axes[-1][column].set_title(f"{title}: {scale.text(total)}")
    return drawing


def _alt(label: str, energy: pd.DataFrame, batches: pd.DataFrame, names: dict[str, str]) -> str:
    words = []
    for frame, text in ((energy, units.joules), (batches, lambda value: f"{units.count(value)} batches")):
        values = frame.to_numpy()
        for flat in np.argsort(-values, axis=None, kind="stable")[:3]:
            i, j = divmod(int(flat), values.shape[1])
            if values[i, j] > 0:
                words.append(
                    f"{names[frame.index[i]]} to {names[frame.columns[j]]} {text(float(values[i, j]))}"
                )
    return f"Largest flows under {label}: " + "; ".join(words)


def _bands(drawing: Drawing, ax: Any, frame: pd.DataFrame, run: Run, verb: str, scale: units.Scale) -> None:
    """A two-column flow diagram: left givers, right takers, both ordered by intensity, bands coloured by
    the giver."""
    groups = list(frame.index)
    names = group_names(run, groups)
    colours, _ = level_colours(run, groups)
    values = frame.to_numpy()
    total = values.sum()
    left_on, right_on = np.flatnonzero(values.sum(axis=1) > 0), np.flatnonzero(values.sum(axis=0) > 0)
    gap = min(0.035, 0.4 / max(len(left_on), len(right_on)))

    def starts(sums: np.ndarray, on: np.ndarray) -> dict[int, float]:
        free = 1.0 - gap * (max(len(left_on), len(right_on)) - 1)
        taken = free * sums[on].sum() / total + gap * (len(on) - 1)
        position, result = (1.0 - taken) / 2, {}
        for k in on:
            result[int(k)] = position
            position += free * sums[k] / total + gap
        return result

    free = 1.0 - gap * (max(len(left_on), len(right_on)) - 1)
    lefts, rights = starts(values.sum(axis=1), left_on), starts(values.sum(axis=0), right_on)
    for place, edge, sums, on, side in (
        (lefts, 0.0, values.sum(axis=1), left_on, "right"),
        (rights, 0.97, values.sum(axis=0), right_on, "left"),
    ):
        heights = {int(k): free * float(sums[k]) / total for k in on}
        middles = [place[k] + height / 2 for k, height in heights.items()]
        for (k, height), middle in zip(
            heights.items(), spread_labels(middles, min(0.05, 1 / len(on)), 0.0), strict=True
        ):
            ax.add_patch(Rectangle((edge, place[k]), 0.03, height, color=colours[groups[k]], lw=0))
            text = ax.annotate(
                names[groups[k]],
                (edge if side == "right" else edge + 0.03, middle),
                (-4 if side == "right" else 4, 0),
                textcoords="offset points",
                ha=side,
                va="center",
                fontsize=7.8,
                annotation_clip=False,
            )
            word = "gives" if side == "right" else "receives"
            if verb != "gives to":
                word = "sends away" if side == "right" else "runs for others"
            said = f"{names[groups[k]]} {word} {scale.text(float(sums[k]))}"
            drawing.tip(text, said, series=f"{verb}{groups[k]}")
    at_left, at_right = dict(lefts), dict(rights)
    for i in left_on:
        for j in right_on:
            if values[i, j] <= 0:
                continue
            width = free * values[i, j] / total
            a, b = at_left[int(i)], at_right[int(j)]
            path = Path(
                [
                    (0.03, a),
                    (0.5, a),
                    (0.5, b),
                    (0.97, b),
                    (0.97, b + width),
                    (0.5, b + width),
                    (0.5, a + width),
                    (0.03, a + width),
                    (0.03, a),
                ],
                [
                    Path.MOVETO,
                    Path.CURVE4,
                    Path.CURVE4,
                    Path.CURVE4,
                    Path.LINETO,
                    Path.CURVE4,
                    Path.CURVE4,
                    Path.CURVE4,
                    Path.CLOSEPOLY,
                ],
            )
            patch = PathPatch(path, facecolor=colours[groups[i]], alpha=0.5, lw=0)
            ax.add_patch(patch)
            drawing.tip(
                patch,
                f"{names[groups[i]]} {verb} {names[groups[j]]}: {scale.text(float(values[i, j]))}",
                series=f"{verb}{groups[i]}",
            )
            at_left[int(i)] += width
            at_right[int(j)] += width
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(1.02, -0.02)
    ax.axis("off")


def _in_cell(number: float, largest: float) -> str:
    """A number that fits a cell: two digits, and ``<`` where it is below a hundredth of the largest."""
    if number < 0.01 * largest:
        return "<"
    return units.number(number, 2 if number >= 1.0 else 1)


def _matrix(
    drawing: Drawing,
    ax: Any,
    frame: pd.DataFrame,
    names: dict[str, str],
    verb: str,
    scale: units.Scale,
    colours: Any,
    *,
    within: bool,
) -> None:
    """A matrix of amounts, cells that are zero left empty; ``within``: a group may exchange with itself."""
    groups, values = list(frame.index), frame.to_numpy()
    n, top = len(groups), float(values.max())
    for i, j in zip(*np.nonzero(values > 0), strict=True):
        cell = ax.add_patch(
            Rectangle((j, i), 1, 1, facecolor=colours(values[i, j] / top), edgecolor=style.PAPER, lw=0.8)
        )
        drawing.tip(cell, f"{names[groups[i]]} {verb} {names[groups[j]]}: {scale.text(float(values[i, j]))}")
        if n <= 12:
            number = values[i, j] * scale.factor
            ax.text(
                j + 0.5,
                i + 0.5,
                _in_cell(float(number), top * scale.factor),
                ha="center",
                va="center",
                fontsize=6.4,
                color=style.ink_on(to_hex(colours(values[i, j] / top))),
                zorder=12,
            ).set_gid(f"{drawing.name}-n{i}-{j}-{verb[:3]}")
    for k in () if within else range(n):
        ax.add_patch(Rectangle((k, k), 1, 1, facecolor=style.RULE, lw=0))
    ax.set_xlim(0, n)
    ax.set_ylim(n, 0)
    ax.set_aspect("equal", adjustable="box")
    shown = [names[group] for group in groups]
    ax.set_xticks(np.arange(n) + 0.5, shown, rotation=60, ha="right", rotation_mode="anchor", fontsize=7.8)
    ax.set_yticks(np.arange(n) + 0.5, shown, fontsize=7.8)
    ax.tick_params(length=0)
    ax.grid(False)
    for side in ax.spines.values():
        side.set_visible(False)
    ax.set_xlabel(
        f"takes ({scale.unit})" if verb == "gives to" else "runs the batches (executor)", fontsize=8.5
    )
    ax.set_ylabel("gives" if verb == "gives to" else "owner", fontsize=8.5)
