"""(D9) in the hub form: a concave worth of stored energy as slots after the last, one for each step of the worth.

In the k-th of these slots nothing shines, runs or is traded; the node only has a load as large as the step is wide, at
the price of the step's worth. A joule of charge kept for it saves exactly that: the least emissions of the longer
program are those of the program with the worth, plus the worth of full batteries."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np

from carbon_data.stored_value import StoredValue
from coordinator.market.fleet import Floats
from coordinator.market.wide.hub import HubProgram

_FILLED_WITH_ZERO = (
    "harvest_j",
    "class_batches",
    "offload_cap_batches",
    "owner_j",
    "guest_j",
    "network_g",
    "guest_cap_batches",
    "export_cap_j",
)
_LAST_REPEATED = ("joules_per_batch", "seconds_per_batch", "unserved_g")


def with_value(program: HubProgram, value: StoredValue) -> tuple[HubProgram, float]:
    """The longer program, and what to take off its objective, g. No work runs in its last slots, whatever its deadline.

    Charge that waits for the k-th slot shrinks by the self-discharge of k slots; loads shrink and prices rise with it.
    """
    width, worth = value.widths_j.T, value.grams_per_j.T
    steps = len(width)
    kept = program.keep_fraction ** np.arange(1, steps + 1)[:, None]
    kept = np.maximum(kept, np.finfo(float).tiny)
    delivered = program.discharge_efficiency * kept
    changed: dict[str, Floats] = {
        "static_j": width * delivered,
        "grams_per_j": worth / delivered,
        "discharge_cap_j": width * delivered,
    }
    empty = np.zeros((steps, program.nodes))
    longer: dict[str, Any] = {
        spec.name: np.concatenate([np.atleast_2d(value_of), changed.get(spec.name, empty)])
        for spec in fields(program)
        if spec.name in (*changed, *_FILLED_WITH_ZERO)
        for value_of in [getattr(program, spec.name)]
    }
    longer |= {
        name: np.concatenate([part, np.repeat(part[-1:], steps, axis=0)])
        for name in _LAST_REPEATED
        for part in [getattr(program, name)]
    }
    after = np.zeros(steps, dtype=bool)
    ended = np.ones((program.deadline_slots + 1, steps), dtype=bool)
    return (
        replace(
            program,
            offloadable=np.concatenate([program.offloadable, after]),
            closed=np.concatenate([program.closed, ended], axis=1),
            stored_value_g_per_j=np.zeros(program.nodes),
            **longer,
        ),
        float(np.vdot(width, worth)),
    )
