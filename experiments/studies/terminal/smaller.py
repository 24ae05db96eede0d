"""Smaller networks on the terminal: narrow ones with and without a teacher, and quantised ones; tables and checks."""

from __future__ import annotations

from typing import Any

import pandas as pd

from edge_node.splitting.controller import Scene
from edge_node.splitting.energy import Link, Split
from edge_node.splitting.incremental import Frame
from edge_node.splitting.network import FrameCnn
from edge_node.splitting.quantisation import model_bytes
from experiments.report.claims.figure import ClaimFigure, Kind
from experiments.studies.terminal.checks import check
from experiments.studies.terminal.measure import Executed, Labels, accuracy
from experiments.studies.terminal.options import INT4, INT8, Options, scores
from experiments.studies.terminal.settings import ACCURACY_LOSS_FRACTION, INT8_COST_FRACTIONS
from experiments.studies.terminal.training import Models

DISTILLATION_SAVING_FRACTION = 0.3
"""As for pruning."""
INT8_BYTES_FRACTION, INT4_BYTES_FRACTION = 0.3, 0.2
"""Of the model's bytes in float32: a quarter and an eighth, and room for scales and biases."""
_NO_LINK = Link(1.0, 1.0)
"""Nothing travels."""


def width_table(
    images: list[Executed],
    options: Options,
    models: Models,
    frames: Frame,
    labels: Labels,
    scene: Scene,
) -> pd.DataFrame:
    """One row per width: accuracy of the pruned, the distilled and the single network, and what all three cost.

    Args:
        images: Executed options over ``frames``.
        options: Of the study.
        models: With ``alone``, which is no option of the terminal and is run here.
        frames: The test set (N, 48, 48) uint8.
        labels: Its classes (N,).
        scene: The machines.
    """
    found = {row.option: row.accuracy_fraction for row in images}
    local = {option.name: option for option in options.local}
    base = scene.cost(local["local"].split(), _NO_LINK)
    rows = []
    for fraction, single in models.alone.items():
        option = local[f"local, distilled {fraction:g}"]
        spent = scene.cost(option.split(), _NO_LINK)
        rows.append(
            {
                "width_fraction": fraction,
                "flop": option.flop,
                "model_bytes": model_bytes(single, 32),
                "terminal_j": spent.terminal_j,
                "terminal_j_against_local_fraction": spent.terminal_j / base.terminal_j - 1.0,
                "unsplit_accuracy_fraction": found["local"],
                "pruned_accuracy_fraction": found[f"local, width {fraction:g}"],
                "distilled_accuracy_fraction": found[option.name],
                "alone_accuracy_fraction": accuracy([scores(single, frame) for frame in frames], labels),
            }
        )
    return pd.DataFrame(rows)


def quantisation_table(
    images: list[Executed], options: Options, base: FrameCnn, scene: Scene
) -> pd.DataFrame:
    """One row per number format, and for int8 one per ``INT8_COST_FRACTIONS``; system joules are the terminal's.

    Int4 weights are brought back to float32 before every operation: fewer bytes, no fewer operations.
    """
    found = {row.option: row.accuracy_fraction for row in images}
    flop = options.local[0].flop
    local_j = scene.cost(Split(flop, 0.0, 0.0, 0.0), _NO_LINK).terminal_j
    formats = [("local", 32, 1.0)]
    formats += [(INT8, 8, cost) for cost in INT8_COST_FRACTIONS]
    formats += [(INT4, 4, 1.0)]
    rows = []
    for name, bits, cost in formats:
        spent = scene.cost(Split(cost * flop, 0.0, 0.0, 0.0), _NO_LINK)
        rows.append(
            {
                "option": name,
                "weight_bits": bits,
                "model_bytes": model_bytes(base, bits),
                "operation_cost_fraction": cost,
                "accuracy_fraction": found[name],
                "terminal_j": spent.terminal_j,
                "system_j": spent.system_j,
                "terminal_j_against_local_fraction": spent.terminal_j / local_j - 1.0,
                "latency_s": spent.latency_s,
            }
        )
    return pd.DataFrame(rows)


def judge(widths: pd.DataFrame, quantised: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Verdicts by name, from ``width_table`` and ``quantisation_table``."""
    return {
        "distillation": _distillation(widths),
        "teacher": _teacher(widths),
        "int8": _format(quantised, INT8, INT8_BYTES_FRACTION),
        "int4-weights": _format(quantised, INT4, INT4_BYTES_FRACTION),
    }


def _distillation(widths: pd.DataFrame) -> dict[str, Any]:
    saving = -widths["terminal_j_against_local_fraction"]
    loss = widths["unsplit_accuracy_fraction"] - widths["distilled_accuracy_fraction"]
    kept = saving[loss <= ACCURACY_LOSS_FRACTION]
    most = float(kept.max()) if len(kept) else None
    texts = [
        f"width {width:g}: saves {s:z.0%}, {-lost:+z.1%}"
        for width, s, lost in zip(widths["width_fraction"], saving, loss, strict=True)
    ]
    return check(
        most is not None and most >= DISTILLATION_SAVING_FRACTION,
        f"Some distilled width saves at least {DISTILLATION_SAVING_FRACTION:.0%} of the joules and loses at most "
        f"{ACCURACY_LOSS_FRACTION:.0%} accuracy.",
        "; ".join(texts) + ". Joules follow from the operations counted at a width; accuracy is measured",
        ClaimFigure(
            f"joules saved, most of the widths that lose at most {ACCURACY_LOSS_FRACTION:.0%} accuracy",
            Kind.FRACTION,
            ours=most,
            at_least=DISTILLATION_SAVING_FRACTION,
        ),
    )


def _teacher(widths: pd.DataFrame) -> dict[str, Any]:
    gain = widths["distilled_accuracy_fraction"] - widths["alone_accuracy_fraction"]
    texts = [
        f"width {row['width_fraction']:g}: {row['distilled_accuracy_fraction']:.1%} with a teacher, "
        f"{row['alone_accuracy_fraction']:.1%} alone, {row['pruned_accuracy_fraction']:.1%} pruned"
        for row in widths.to_dict("records")
    ]
    return check(
        bool((gain >= 0).all()),
        "At every width a network that learns the unsplit model's scores is no less accurate than one with the same "
        "start, frames and epochs that learns the labels alone.",
        "; ".join(texts) + ". One seed",
        ClaimFigure(
            "accuracy gained by the teacher, least of all widths",
            Kind.FRACTION,
            ours=float(gain.min()),
            low=float(gain.min()),
            high=float(gain.max()),
            interval="least to most of all widths",
            at_least=0.0,
        ),
    )


def _format(quantised: pd.DataFrame, name: str, most_bytes_fraction: float) -> dict[str, Any]:
    base = quantised.iloc[0]
    rows = quantised[quantised["option"] == name]
    row = rows.iloc[0]
    share = float(row["model_bytes"] / base["model_bytes"])
    loss = float(base["accuracy_fraction"] - row["accuracy_fraction"])
    what = "Int8 weights and activations take" if name == INT8 else "Int4 weights take"
    costs = "; ".join(
        f"{-part['terminal_j_against_local_fraction']:z.0%} of the joules saved where an int8 operation "
        f"costs {part['operation_cost_fraction']:g} of a float32 one"
        for part in rows.to_dict("records")
    )
    return check(
        share <= most_bytes_fraction and loss <= ACCURACY_LOSS_FRACTION,
        f"{what} at most {most_bytes_fraction:.0%} of the model's bytes and lose at most "
        f"{ACCURACY_LOSS_FRACTION:.0%} accuracy.",
        f"{share:.0%} of {base['model_bytes']:.0f} bytes, accuracy {-loss:+z.1%}; "
        + (costs if name == INT8 else "no operation and no joule saved: they are computed in float32")
        + ". Bytes follow from the format; accuracy is measured",
        ClaimFigure(
            "accuracy lost against float32", Kind.FRACTION, ours=loss, at_most=ACCURACY_LOSS_FRACTION
        ),
    )
