"""Readings of a board that idles at 2 W and adds 1 W a core; training draws 2.9 W."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from edge_node.calibration.measure import IDLE, IDLE_AGAIN, core_step
from edge_node.calibration.reading import Power

TRAINING, SERVING = "training mnist-mlp", "serving mnist-mlp"


def power(step: str, power_w: float, half_width_w: float | None = 0.02) -> Power:
    return Power(step, power_w, half_width_w, 20.0, 99.5, 0.999)


def board(watts: Mapping[str, float] | None = None) -> dict[str, Power]:
    """Four cores; ``watts``: other powers, by step."""
    found = {IDLE: power(IDLE, 2.0)}
    found |= {core_step(count): power(core_step(count), 2.0 + count) for count in range(1, 5)}
    found[TRAINING] = replace(power(TRAINING, 2.9), flop_per_s=1.5e9, flop_half_width=2e7)
    found[SERVING] = replace(power(SERVING, 2.8), flop_per_s=2.5e9, flop_half_width=2e7)
    found[IDLE_AGAIN] = power(IDLE_AGAIN, 2.01)
    for step, power_w in (watts or {}).items():
        found[step] = replace(found[step], power_w=power_w)
    return found
