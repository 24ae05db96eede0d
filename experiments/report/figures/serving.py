"""Serving: latency of requests, and joules per token or per answer, by policy."""

from __future__ import annotations

from typing import Any

from experiments.report import style, units
from experiments.report.figures.base import Drawing, from_zero, new_figure, no_grid
from experiments.report.read import Study
from experiments.report.serving import QUANTILES, serving_frame

LABELS = {"latency_p50_s": "p50", "latency_p95_s": "p95", "latency_p99_s": "p99"}
ANSWERS = ("joules_per_request", "answer")
SHADES = {"latency_p50_s": 1.0, "latency_p95_s": 0.65, "latency_p99_s": 0.35}


def latency_and_energy(study: Study) -> Drawing | None:
    """Two panels: percentiles of latency, joules per token; None when no requests came."""
    frame = serving_frame(study)
    if frame.empty:
        return None
    whole = frame[frame["node_id"].isna() & frame["service"].isna()]
    policies = [policy for policy in study.policies if policy in set(whole["policy"])]
    # Per token where anything generates, of the services that do; a run that only classifies has joules per answer.
    column, unit = ("joules_per_token", "token") if whole["joules_per_token"].notna().all() else ANSWERS
    mean: Any = whole.groupby("policy")[[*LABELS, column]].mean().reindex(policies)
    if mean["latency_p50_s"].isna().all():
        return None
    figure = new_figure(1.1 + 0.62 * len(policies))
    axes: Any = figure.subplots(1, 2, sharey=True, gridspec_kw={"width_ratios": [1.6, 1.0]})
    text = {
        policy: f"{style.policy_label(policy)} "
        + ", ".join(f"{LABELS[name]} {units.seconds(mean.loc[policy, name])}" for name, _ in QUANTILES)
        + f", {units.joules(mean.loc[policy, column])} per {unit}"
        for policy in policies
    }
    target = study.any_run.metadata.get("latency_target_s")
    drawing = Drawing(
        name="serving",
        title=f"Latency and joules per {unit} by policy",
        caption=(
            "From a request's arrival to its answer, in slot time: waiting for its batch, for its way to "
            "another node where it was offloaded, for the board, and service. Mean over seeds of each "
            "run's percentile. "
            + (
                "Joules per token: of the services that generate, over input and generated tokens."
                if unit == "token"
                else "Joules per answer: over all answers."
            )
            + " Joules are the nodes' application lines and the transport of their users' bytes."
            + (" Latency of all services together." if study.any_run.metadata.get("services") else "")
            + (f" Dashed: latency target of the task, {units.seconds(target)}." if target is not None else "")
        ),
        alt="; ".join(text.values()),
        figure=figure,
        data=frame,
    )
    scale = units.seconds_scale(float(mean["latency_p99_s"].max()))
    height = 0.26
    for y, policy in enumerate(policies):
        for k, (name, _) in enumerate(QUANTILES):
            value = float(mean.loc[policy, name])
            bar = axes[0].barh(
                y + (k - 1) * height,
                value * scale.factor,
                height=height * 0.92,
                color=style.policy_colour(policy),
                alpha=SHADES[name],
                lw=0,
            )[0]
            drawing.tip(bar, f"{style.policy_label(policy)}, {LABELS[name]}: {scale.text(value)}")
            axes[0].annotate(
                f"{LABELS[name]} {scale.text(value)}",
                (value * scale.factor, y + (k - 1) * height),
                (4, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
                zorder=5,
                bbox={"facecolor": style.PAPER, "edgecolor": "none", "pad": 0.8},
            )
    axes[0].set_xlabel(f"latency, {scale.unit}")
    from_zero(axes[0], float(mean["latency_p99_s"].max()) * scale.factor * 1.35)
    if target is not None:
        axes[0].axvline(target * scale.factor, color=style.MUTED, ls=(0, (4, 3)), lw=1)
    largest = mean[column].max()
    energy = units.joules_scale(float(largest))
    for y, policy in enumerate(policies):
        value = float(mean.loc[policy, column])
        bar = axes[1].barh(y, value * energy.factor, height=0.6, color=style.policy_colour(policy), lw=0)[0]
        drawing.tip(bar, f"{style.policy_label(policy)}: {energy.text(value)} per {unit}")
        axes[1].annotate(
            energy.text(value), (value * energy.factor, y), (5, 0), textcoords="offset points", va="center"
        )
    axes[1].set_xlabel(f"{energy.unit} per {unit}")
    from_zero(axes[1], float(largest) * energy.factor * 1.45)
    for ax in axes:
        ax.tick_params(axis="y", length=0)
        no_grid(ax, "y")
    axes[0].set_yticks(range(len(policies)), [style.policy_label(policy) for policy in policies])
    axes[0].set_ylim(len(policies) - 0.5, -0.5)
    return drawing
