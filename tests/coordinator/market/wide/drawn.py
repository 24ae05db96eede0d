"""Programs and plans of the hub form with figures of no particular pattern."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np

from coordinator.market.instances import random_fleet
from coordinator.market.wide import hub


def drawn_program(
    rng: np.random.Generator, *, carries_cap: bool, deadline_slots: int = 1, asleep: bool = False
) -> hub.HubProgram:
    """Three nodes, four slots, work that may wait; figures of no particular pattern. ``asleep``: in some slots nodes
    run nothing."""
    program = hub.from_fleet(random_fleet(int(rng.integers(10**6)), 3, 4, deadline_slots=deadline_slots))
    size = {
        "class_batches": (4 + deadline_slots, 3),
        "offload_cap_batches": (4 + deadline_slots, 3),
    } | dict.fromkeys(
        (
            "export_efficiency",
            "import_efficiency",
            "keep_fraction",
            "charge_efficiency",
            "discharge_efficiency",
        ),
        (3,),
    )
    size |= dict.fromkeys(("battery_j", "battery_capacity_j", "charge_cap_j"), (3,))
    size |= dict.fromkeys(
        (
            *("harvest_j", "static_j", "joules_per_batch", "seconds_per_batch", "owner_j", "guest_j"),
            *("guest_cap_batches", "export_cap_j", "discharge_cap_j"),
        ),
        (4, 3),
    )
    values: dict[str, Any] = {name: rng.uniform(0.3, 2.0, shape) for name, shape in size.items()}
    if asleep:
        values["may_run"] = rng.random((4, 3)) < 0.8
    values["closed"] = rng.random((deadline_slots + 1, 4)) < 0.4
    values["step_g_per_j"] = np.array([[4e-4, 3e-4, 2e-4], [1e-4, 2e-4, 0.0]])
    values["step_j"] = np.array([[2.0, 0.4, 3.0], [5.0, 0.5, 4.0]])
    return replace(program, slot_s=7.0, carries_cap=carries_cap, **values)


def drawn_plan(rng: np.random.Generator) -> hub.HubPlan:
    shapes = {"own_batches": (2, 4, 3), "offload_batches": (2, 4, 3), "unserved_batches": (5, 3)}
    return hub.HubPlan(
        **{spec.name: rng.uniform(-0.2, 3.0, shapes.get(spec.name, (4, 3))) for spec in fields(hub.HubPlan)}
    )
