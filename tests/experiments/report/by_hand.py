"""A run small enough to check its life cycle by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from experiments.report.read import Run

KWH = 3.6e6
SCENARIO = """name = "hand"
[stages]
development = 1
application = 1
[battery]
capacity_wh = 100
[[nodes]]
zone = "A"
[[nodes]]
zone = "B"
"""


def line(
    slot: int,
    node: str,
    zone: str,
    stage: str,
    component: str,
    kwh: float,
    grid: float,
    grams: float,
    how="modelled",
) -> dict[str, Any]:
    return {
        "slot": slot,
        "node_id": node,
        "zone": zone,
        "stage": stage,
        "component": component,
        "energy_j": kwh * KWH,
        "grid_j": grid * KWH,
        "operational_g": grams,
        "provenance": how,
    }


LINES = [
    # Slot 0: development. Node n0 in A (100 g/kWh) half green; n1 in B (400 g/kWh) all grid.
    line(0, "n0", "A", "development", "compute", 2.0, 1.0, 100.0),
    line(0, "n0", "A", "development", "static", 1.0, 0.5, 50.0),
    line(0, "n0", "A", "unallocated", "static", 1.0, 0.5, 50.0),
    line(0, "n1", "B", "development", "static", 3.0, 3.0, 1200.0),
    line(0, "network", "A+B", "development", "network", 0.2, 0.2, 50.0),
    line(0, "coordinator", "A", "development", "coordinator", 1.0, 1.0, 100.0),
    # Slot 1: application, the same intensities.
    line(1, "n0", "A", "application", "static", 2.0, 2.0, 200.0),
    line(1, "n1", "B", "application", "static", 1.0, 0.0, 0.0),
    line(1, "coordinator", "A", "application", "coordinator", 1.0, 1.0, 100.0),
]


def make_run(
    scenario: str = SCENARIO, lines: list[dict[str, Any]] | None = None, policy: str = "deta", seed: int = 0
) -> Run:
    slots = pd.DataFrame(
        [
            {
                "slot": slot,
                "node_id": node,
                "zone": zone,
                "intensity_g_per_kwh": intensity,
                "requests": requests,
                "harvest_j": harvest,
                "metered": True,
            }
            for slot, requests in ((0, 0), (1, 2000))
            for node, zone, intensity, harvest in (("n0", "A", 100.0, 2.0 * KWH), ("n1", "B", 400.0, 0.0))
        ]
    )
    nodes = pd.DataFrame(
        {"node_id": ["n0", "n1"], "zone": ["A", "B"], "battery_capacity_j": [0.1 * KWH, 0.0]}
    )
    rounds = pd.DataFrame({"stage": ["development", "recycling", "recycling"]})
    metadata = {
        "run_id": "hand",
        "name": "hand",
        "policy": policy,
        "seed": seed,
        "slot_s": 3600.0,
        "trace_step_s": 3600.0,
        "start": "2022-01-01T00:00:00+00:00",
    }
    tables = {
        "slots": slots,
        "lines": pd.DataFrame(LINES if lines is None else lines),
        "nodes": nodes,
        "rounds": rounds,
    }
    return Run(Path("hand"), metadata, scenario, tables)


NETWORK = {
    "booked_j_per_byte": 4e-6,
    "low_j_per_byte": 1e-6,
    "high_j_per_byte": 16e-6,
    "source": "s",
    "low_source": "l",
    "high_source": "h",
}


def with_network(run: Run) -> Run:
    return Run(run.folder, {**run.metadata, "network": NETWORK}, run.scenario, run.tables)
