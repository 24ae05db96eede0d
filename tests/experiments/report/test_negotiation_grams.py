"""Grams of a negotiation, worked out by hand from booked joules."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from experiments.report.negotiation import operational_g
from experiments.report.read import Run

LINE = ("slot", "node_id", "zone", "component", "grid_j", "operational_g")


def test_each_end_of_a_negotiation_counts_with_its_own_intensity() -> None:
    """n0 is in A, 100 and then 180 g/kWh; n1 in B, 400 and then 520. The coordinator is in C, where no node is: its own
    line of 7.2 J says 250 and then 350 g/kWh.

    Slot 0: n0's radio 36 J at 100; the network 72 J between A and C, at 175; 36 J between B and C, at 325:
    3,600 + 12,600 + 11,700 = 27,900 J g/kWh. Slot 1: n1's radio 18 J at 520; 54 J between A and C, at 265:
    9,360 + 14,310 = 23,670. All: 51,570 / 3.6e6 = 0.014325 g. Compute is no negotiation.
    """
    rows = [
        (0, "coordinator", "C", "coordinator", 7.2, 7.2 * 250.0 / 3.6e6),
        (0, "n0", "A", "negotiation", 36.0, 0.0),
        (0, "n0", "A", "compute", 999.0, 0.0),
        (0, "network", "A+C", "negotiation", 72.0, 0.0),
        (0, "network", "B+C", "negotiation", 36.0, 0.0),
        (1, "coordinator", "C", "coordinator", 7.2, 7.2 * 350.0 / 3.6e6),
        (1, "n1", "B", "negotiation", 18.0, 0.0),
        (1, "network", "A+C", "negotiation", 54.0, 0.0),
    ]
    slots = pd.DataFrame(
        {
            "slot": [0, 0, 1, 1],
            "node_id": ["n0", "n1", "n0", "n1"],
            "zone": ["A", "B", "A", "B"],
            "intensity_g_per_kwh": [100.0, 400.0, 180.0, 520.0],
        }
    )
    tables = {"lines": pd.DataFrame(rows, columns=list(LINE)), "slots": slots}
    assert operational_g(Run(Path("hand"), {}, "", tables)) == pytest.approx(0.014325, rel=1e-12)
