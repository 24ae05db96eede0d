"""Windows made by hand."""

from __future__ import annotations

from typing import Any

from experiments.twin.replay import Window


def window(node_id: str = "n0", slot: int = 0, **changes: Any) -> Window:
    """3 J measured to 1 %, half of it the sensor's step; the twin is 2 % above."""
    values: dict[str, Any] = {
        "stage": "development",
        "activity": "development",
        "meter": "hwmon",
        "kind": "power",
        "measured_uj": 3_000_000,
        "half_width_uj": 30_000,
        "bias_uj": 15_000,
        "twin_uj": 3_060_000,
        "twin_window_uj": 3_000_000,
        "window_s": 1.0,
        "twin_s": 1.02,
        "busy_s": None,
        "twin_busy_s": 0.5,
        "wake_s": None,
        "twin_wake_s": 0.0,
        "coverage_fraction": 1.0,
        "gaps": 0,
        "lines": {},
        "twin_lines": {},
    }
    return Window(node_id, slot, **(values | changes))
