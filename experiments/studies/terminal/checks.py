"""The study's own checks (no paper states them), judged by fixed limits that were written down before the numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from experiments.report.claims.figure import ClaimFigure, Kind
from experiments.studies.terminal.settings import ACCURACY_LOSS_FRACTION
from experiments.studies.terminal.walk import EAGER, HYSTERESIS, ORACLE

SMALLER_FACTOR = 4.0
"""Semantic compression: at least so many times fewer bytes than the same cut without it."""
PRUNING_SAVING_FRACTION = 0.3
INCREMENTAL_SAVING_FRACTION = 0.3
DYNAMIC_COST_FRACTION = 0.1
"""What hysteresis may cost in joules against changing at once."""
EXACT_DIFFERENCE = 1e-4
"""Incremental inference without threshold: largest difference of a class score, the order of additions."""


def check(
    met: bool, statement: str, ours: str, figure: ClaimFigure, by_construction: str = ""
) -> dict[str, Any]:
    """A verdict with its figure.

    ``by_construction``: why a check that is met could not be otherwise; one that is not met refutes it.
    """
    said: dict[str, Any] = {
        "verdict": "met" if met else "not met",
        "statement": statement,
        "ours": ours,
        "figure": figure.as_dict(),
    }
    return said | ({"by_construction": by_construction} if met and by_construction else {})


def judge(
    *,
    cut_differences: list[float],
    images: pd.DataFrame,
    table: pd.DataFrame,
    both_ways: pd.DataFrame,
    walks: pd.DataFrame,
    walk_facts: dict[str, Any],
    sweep: pd.DataFrame,
) -> dict[str, dict[str, Any]]:
    """Verdicts by name.

    Args:
        cut_differences: Largest difference from the unsplit model by cut point, in one process.
        images: ``measure.Executed`` rows of the test set.
        table: ``tables.mechanisms_table``.
        both_ways: ``tables.both_ways_table``.
        walks: Totals by seed and way, ``walk.repeat_walks``.
        walk_facts: Of the executed walk.
        sweep: ``sequence.sweep``.
    """
    rows = images.set_index("option")
    exact = rows[rows["mechanism"].isin(["full offloading", "partial offloading"])]
    difference = max(*cut_differences, float(exact["max_difference"].max()))
    return {
        "exact-cuts": check(
            max(cut_differences) == 0.0 and float(exact["max_difference"].max()) == 0.0,
            "Cut at any boundary, terminal and server together give exactly the unsplit model's scores.",
            f"{len(cut_differences)} cuts in one process and {len(exact)} over the link; largest difference "
            f"{difference:g}",
            ClaimFigure("largest difference of a class score", ours=float(difference), at_most=0.0),
            "a cut moves operations, not their order nor their numbers: a difference would be a fault of the program",
        ),
        "bytes": check(
            walk_facts["up_bytes_by_frame"]
            == walk_facts["up_bytes_terminal"]
            == walk_facts["up_bytes_server"],
            "Terminal and server count the same bytes.",
            f"walk: {walk_facts['up_bytes_terminal']} sent, {walk_facts['up_bytes_server']} received; every option "
            "over the test set likewise",
            ClaimFigure(
                "bytes received by the server less bytes sent by the terminal, in the walk",
                ours=float(walk_facts["up_bytes_server"] - walk_facts["up_bytes_terminal"]),
                at_least=0.0,
                at_most=0.0,
            ),
        ),
        "both-ways": check(
            len(both_ways) > 0,
            "There are link rates at which offloading lowers the terminal's joules and raises the system's.",
            f"{both_ways['rate_bit_per_s'].nunique()} of {table['rate_bit_per_s'].nunique()} rates, "
            f"{len(both_ways)} of {int((table['up_bytes'] > 0).sum())} rows",
            ClaimFigure(
                "link rates at which some option does both",
                ours=float(both_ways["rate_bit_per_s"].nunique()),
                at_least=1.0,
                unit=f"of {table['rate_bit_per_s'].nunique()}",
            ),
        ),
        "compression": _compression(rows),
        "pruning": _pruning(rows, table),
        "dynamic": _dynamic(walks),
        "hysteresis": _hysteresis(walks),
        "incremental-exact": _exact_increment(sweep),
        "incremental": _increment(sweep),
    }


def _dynamic(walks: pd.DataFrame) -> dict[str, Any]:
    won, gains = 0, []
    for _, part in walks.groupby("seed"):
        rows = part.to_dict("records")
        followed = next(row for row in rows if row["way"] == HYSTERESIS)
        fixed = [row for row in rows if row["way"] not in (HYSTERESIS, EAGER, ORACLE)]
        rival = min(
            (row for row in fixed if row["late_frames"] <= followed["late_frames"]),
            key=lambda row: row["terminal_j"],
            default=None,
        )
        if rival is None:
            won += 1  # every fixed way is late more often
            continue
        won += followed["terminal_j"] < rival["terminal_j"]
        gains.append(1.0 - followed["terminal_j"] / rival["terminal_j"])
    total = walks["seed"].nunique()
    return check(
        won == total,
        "While the link changes, following it takes fewer terminal joules than every fixed way that is late no more "
        "often, in every walk.",
        f"{won} of {total} walks; saves {np.mean(gains):z.0%} on average against the best fixed way of each walk, "
        f"{min(gains):z.0%} at least"
        if gains
        else f"{won} of {total} walks; every fixed way is late more often",
        ClaimFigure(
            "walks in which following the link takes the fewest joules",
            ours=float(won),
            at_least=float(total),
            unit=f"of {total}",
        ),
    )


def _hysteresis(walks: pd.DataFrame) -> dict[str, Any]:
    means = walks.groupby("way")[["changes", "terminal_j"]].mean().to_dict("index")
    slow, eager = means[HYSTERESIS], means[EAGER]
    more = slow["terminal_j"] / eager["terminal_j"] - 1.0
    return check(
        slow["changes"] < eager["changes"] and more <= DYNAMIC_COST_FRACTION,
        f"Hysteresis changes less often and costs at most {DYNAMIC_COST_FRACTION:.0%} more joules, on average over "
        "the walks.",
        f"{slow['changes']:.1f} changes instead of {eager['changes']:.1f}; joules {more:+z.1%}",
        ClaimFigure(
            "joules of hysteresis beyond those of changing at once, mean over the walks",
            Kind.FRACTION,
            ours=float(more),
            at_most=DYNAMIC_COST_FRACTION,
        ),
    )


def _compression(rows: pd.DataFrame) -> dict[str, Any]:
    base = float(rows.loc["local", "accuracy_fraction"])  # type: ignore[arg-type]
    good, texts, factors = True, [], []
    for name, row in rows[rows["mechanism"] == "semantic compression"].iterrows():
        plain = rows.loc[str(name).split(",")[0], "up_bytes"]
        factor, loss = float(plain) / row["up_bytes"], base - row["accuracy_fraction"]  # type: ignore[arg-type]
        good &= factor >= SMALLER_FACTOR and loss <= ACCURACY_LOSS_FRACTION
        texts.append(f"{name}: {factor:.0f} times, {-loss:+z.1%}")
        factors.append(float(factor))
    return check(
        good,
        f"A bottleneck sends at most 1/{SMALLER_FACTOR:.0f} of the bytes and loses at most "
        f"{ACCURACY_LOSS_FRACTION:.0%} accuracy, at every cut.",
        "; ".join(texts) + ". Bytes follow from the channels and bits chosen; accuracy is measured",
        ClaimFigure(
            "bytes without a bottleneck over those with it, least of all cuts",
            Kind.FACTOR,
            ours=min(factors),
            low=min(factors),
            high=max(factors),
            interval="least to most of all cuts",
            at_least=SMALLER_FACTOR,
        ),
    )


def _pruning(rows: pd.DataFrame, table: pd.DataFrame) -> dict[str, Any]:
    base = float(rows.loc["local", "accuracy_fraction"])  # type: ignore[arg-type]
    found = []
    for name, row in rows[rows["mechanism"] == "width pruning"].iterrows():
        part = table[table["option"] == name].iloc[0]
        found.append((str(name), -part["terminal_j_against_local_fraction"], base - row["accuracy_fraction"]))
    met = any(s >= PRUNING_SAVING_FRACTION and loss <= ACCURACY_LOSS_FRACTION for _, s, loss in found)
    return check(
        met,
        f"Some width saves at least {PRUNING_SAVING_FRACTION:.0%} of the joules and loses at most "
        f"{ACCURACY_LOSS_FRACTION:.0%} accuracy.",
        "; ".join(f"{name}: saves {s:z.0%}, {-loss:+z.1%}" for name, s, loss in found)
        + ". Joules follow from the operations counted at a width; accuracy is measured",
        ClaimFigure(
            f"joules saved, most of the widths that lose at most {ACCURACY_LOSS_FRACTION:.0%} accuracy",
            Kind.FRACTION,
            ours=max((float(s) for _, s, loss in found if loss <= ACCURACY_LOSS_FRACTION), default=None),
            at_least=PRUNING_SAVING_FRACTION,
        ),
    )


def _exact_increment(sweep: pd.DataFrame) -> dict[str, Any]:
    rows = sweep[sweep["threshold_grey"] == 0]
    return check(
        float(rows["max_difference"].max()) <= EXACT_DIFFERENCE,
        "Incremental inference without threshold gives the full model's scores.",
        f"largest difference {rows['max_difference'].max():.1e}; operations "
        + ", ".join(
            f"{share:.0%} at noise {noise:g}"
            for share, noise in zip(rows["flop_fraction"], rows["noise_grey"], strict=True)
        ),
        ClaimFigure(
            "largest difference of a class score",
            ours=float(rows["max_difference"].max()),
            at_most=EXACT_DIFFERENCE,
        ),
        "without a threshold all that changed is computed again: a difference would be a fault of the program",
    )


def _increment(sweep: pd.DataFrame) -> dict[str, Any]:
    noisy = sweep[sweep["noise_grey"] > 0]
    loss = noisy["full_accuracy_fraction"] - noisy["accuracy_fraction"]
    saving = 1.0 - noisy["flop_fraction"]
    good = noisy[(saving >= INCREMENTAL_SAVING_FRACTION) & (loss <= ACCURACY_LOSS_FRACTION)]
    index = int(np.argmax(np.where(loss <= ACCURACY_LOSS_FRACTION, saving, -np.inf)))
    row = noisy.iloc[index]
    return check(
        len(good) > 0,
        f"On a noisy sequence some threshold saves at least {INCREMENTAL_SAVING_FRACTION:.0%} of the operations and "
        f"loses at most {ACCURACY_LOSS_FRACTION:.0%} accuracy.",
        f"threshold {row['threshold_grey']:g}, refresh every {row['refresh_frames']:g}: saves "
        f"{saving.iloc[index]:z.0%}, accuracy {row['accuracy_fraction'] - row['full_accuracy_fraction']:+z.1%}",
        ClaimFigure(
            f"operations saved, most of the thresholds that lose at most {ACCURACY_LOSS_FRACTION:.0%} accuracy",
            Kind.FRACTION,
            ours=float(saving.iloc[index]) if loss.iloc[index] <= ACCURACY_LOSS_FRACTION else None,
            at_least=INCREMENTAL_SAVING_FRACTION,
        ),
    )
