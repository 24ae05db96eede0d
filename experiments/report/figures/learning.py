"""Learning: accuracy against rounds and against grams, loss against rounds."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.ticker import MaxNLocator

from experiments.report import style, units
from experiments.report.figures.base import Drawing, new_figure, percent_axis
from experiments.report.read import Study


def measured_rounds(study: Study) -> pd.DataFrame:
    """All rounds with a measured test accuracy, with policy and seed."""
    frames = []
    for run in study:
        rounds = run.tables["rounds"]
        # Rounds are counted from 1 again in the recycling stage; one axis needs one count.
        counted = rounds.assign(
            policy=run.policy, seed=run.seed, round=rounds["slot"].rank(method="first").astype(int)
        )
        frames.append(counted[counted["test_accuracy"].notna()])
    return pd.concat(frames, ignore_index=True)


def accuracy(study: Study) -> Drawing | None:
    """Two panels; None when no round was evaluated."""
    frame = measured_rounds(study)
    if frame.empty:
        return None
    target = study.any_run.metadata.get("target_accuracy_fraction")
    scale = units.grams_scale(float(frame["cumulative_g"].max()))
    figure = new_figure(3.6)
    axes: Any = figure.subplots(1, 2, sharey=True)
    recycled = bool((frame["stage"] == "recycling").any())
    drawing = Drawing(
        name="accuracy",
        title="Accuracy against rounds and against grams",
        caption=(
            "Test accuracy of the global model after each round. Left: against rounds, where policies "
            "that train the same "
            "batches lie on one another; right: against the grams emitted so far by the whole testbed, "
            "which is what a policy "
            "can change. Thick: mean over seeds; thin: single seeds."
            + (" Dashed: recycling, measured on the second task, its rounds counted on." if recycled else "")
        ),
        alt="Accuracy after the last round of development: "
        + "; ".join(
            f"{style.policy_label(p)} {units.percent(_last(frame, p))} at {scale.text(_last_grams(frame, p))}"
            for p in study.policies
        ),
        figure=figure,
        data=frame[["policy", "seed", "round", "slot", "stage", "test_accuracy", "cumulative_g"]],
    )
    for ax, column, factor in ((axes[0], "round", 1.0), (axes[1], "cumulative_g", scale.factor)):
        for policy in study.policies:
            own = frame[frame["policy"] == policy]
            for is_recycling, part in own.groupby(own["stage"] == "recycling"):
                dashes = (0, (3, 2)) if is_recycling else "-"
                if part["seed"].nunique() > 1:
                    for _, one in part.groupby("seed"):
                        ax.plot(
                            one[column] * factor,
                            one["test_accuracy"],
                            color=style.policy_colour(policy),
                            lw=0.7,
                            alpha=0.35,
                            ls=dashes,
                        )
                mean = part.groupby("round")[["cumulative_g", "test_accuracy"]].mean().reset_index()
                line = ax.plot(
                    mean[column] * factor,
                    mean["test_accuracy"],
                    color=style.policy_colour(policy),
                    ls=dashes,
                    marker=style.policy_marker(policy),
                    ms=5,
                    markevery=[-1],
                    label=style.policy_label(policy) if not is_recycling else None,
                )[0]
                drawing.tip(
                    line,
                    f"{style.policy_label(policy)}{', second task' if is_recycling else ''}\n"
                    f"{units.percent(float(mean['test_accuracy'].iloc[-1]))} after round "
                    f"{int(mean['round'].iloc[-1])}, "
                    f"{scale.text(float(mean['cumulative_g'].iloc[-1]))}",
                    series=policy,
                )
        if target is not None:
            ax.axhline(float(target), color=style.MUTED, lw=1, ls=":")
    if target is not None:
        axes[0].annotate(
            f"target {units.percent(float(target))}",
            (0.01, float(target)),
            (0, 3),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            fontsize=8.5,
            color=style.MUTED,
        )
    percent_axis(axes[0].yaxis)
    axes[0].xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0].set_ylabel("test accuracy")
    axes[0].set_xlabel("round")
    axes[1].set_xlabel(f"emissions so far, {scale.unit} CO₂e")
    axes[1].set_xlim(left=0)
    handles, labels = axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside upper left", ncols=6, handlelength=1.6)
    return drawing


def _last(frame: pd.DataFrame, policy: str) -> float | None:
    own = frame[(frame["policy"] == policy) & (frame["stage"] != "recycling")]
    return float(own[own["round"] == own["round"].max()]["test_accuracy"].mean()) if len(own) else None


def _last_grams(frame: pd.DataFrame, policy: str) -> float | None:
    own = frame[(frame["policy"] == policy) & (frame["stage"] != "recycling")]
    return float(own[own["round"] == own["round"].max()]["cumulative_g"].mean()) if len(own) else None
