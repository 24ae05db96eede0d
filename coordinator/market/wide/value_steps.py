"""(D9) in the hub form: a concave worth of stored energy as steps of the last slot's charge.

What a step lacks of being full costs the step's worth: the least emissions of the program with steps are those of the
program with the worth, plus the worth of full batteries. The store's equation of the last slot holds the steps in place
of the charge, so that a step costs a variable and no equation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from carbon_data.stored_value import StoredValue
from coordinator.market.wide.hub import HubProgram


def with_value(program: HubProgram, value: StoredValue) -> tuple[HubProgram, float]:
    """The program with ``value`` as the worth of what is stored after its last slot, and what to take off its
    objective, g: the worth of full batteries."""
    steps = np.ascontiguousarray(value.grams_per_j.T), np.ascontiguousarray(value.widths_j.T)
    return (
        replace(
            program,
            stored_value_g_per_j=np.zeros(program.nodes),
            step_g_per_j=steps[0],
            step_j=steps[1],
        ),
        float(np.vdot(*steps)),
    )
