"""Plans of small fleets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from coordinator.market.decision import Feasible, FleetDecision
from coordinator.market.fleet import Fleet, Floats
from coordinator.market.instances import reference_day
from coordinator.market.layout import Restrictions
from coordinator.market.plan import Plan
from coordinator.market.program import build
from coordinator.market.solve import solve, unserved


def decided(
    batches: Any, transfer_j: Floats | None = None, awake: list[bool] | None = None, **others: Any
) -> FleetDecision:
    """A decision by its matrices; neither charge nor discharge unless ``others`` say so."""
    n = len(batches)
    plain = {
        "charge_j": np.zeros(n),
        "discharge_j": np.zeros(n),
        "outcome": Feasible(None),
        "unserved_batches": np.zeros(n, dtype=np.int64),
    }
    return FleetDecision.dense(
        np.asarray(batches),
        np.zeros((n, n)) if transfer_j is None else transfer_j,
        awake=np.ones(n, dtype=bool) if awake is None else np.array(awake),
        **(plain | others),
    )


def plan_of(fleet: Fleet, restrictions: Restrictions) -> Plan:
    program = build(fleet, restrictions, tie_break=False)
    solution = solve(program)
    assert solution.optimal
    assert solution.values is not None
    assert unserved(program, solution.values) == 0.0
    return Plan(program, solution.values)


def grams(fleet: Fleet, restrictions: Restrictions) -> float:
    return plan_of(fleet, restrictions).objective_g


def two_nodes(**changes: object) -> Fleet:
    """A node of high intensity with work and one of low without: 720 and 36 g/kWh, ten batches of 36 J."""
    day = reference_day(1, nodes=2)
    fleet = replace(
        day,
        intensity_g_per_kwh=np.array([[720.0], [36.0]]),
        harvest_j=np.zeros((2, 1)),
        backlog_batches=np.array([[10], [0]]),
        joules_per_batch=np.full((2, 1), 36.0),
        seconds_per_batch=np.full((2, 1), 1.0),
        bytes_per_batch=np.array([1e6]),
        static_w=np.zeros(2),
        sleep_w=np.zeros(2),
        tx_j_per_byte=np.full(2, 1e-6),
        rx_j_per_byte=np.full(2, 2e-6),
        storage_bytes=np.full(2, 1e9),
        battery_capacity_j=np.zeros(2),
        limits=replace(day.limits, net_j_per_byte=1e-6),
    )
    return replace(fleet, **changes) if changes else fleet  # type: ignore[arg-type]
