"""TREE and EE over consecutive windows of one simulated world."""

from __future__ import annotations

import pandas as pd

from experiments.studies.tree.measure import Counting, bits, figures, take, tokens, tree_bit_per_j
from experiments.studies.tree.model import Machine, Outcome, Traffic
from experiments.studies.tree.parameters import PS_PER_S
from experiments.studies.tree.power import StatePowers
from experiments.studies.tree.settings import ALPHAS_BITS_PER_TOKEN


def windows_table(
    traffic: Traffic,
    outcome: Outcome,
    machine: Machine,
    powers: StatePowers,
    width_ps: int,
    counting: Counting,
) -> pd.DataFrame:
    """One row per whole window: bits, tokens, energy, mean power by component, EE, and TREE for every alpha.

    A packet counts in the window in which its delivery ends, its energy in the windows in which it was spent:
    in a short window TREE may be high while little power flows.

    Raises:
        ValueError: no whole window fits.
    """
    if not 0 < width_ps <= outcome.horizon_ps:
        raise ValueError(f"width_ps is {width_ps}; allowed is more than 0, at most {outcome.horizon_ps}")
    rows = []
    for start in range(0, outcome.horizon_ps - width_ps + 1, width_ps):
        point = take(traffic, outcome, start, start + width_ps)
        values = figures(point, machine, powers)
        row = {
            "from_s": start / PS_PER_S,
            "to_s": (start + width_ps) / PS_PER_S,
            "bits": bits(point, machine),
            "tokens": tokens(point, machine, counting),
            **{name: value for name, value in values.items() if name.endswith(("_w", "energy_j"))},
            "ee_bit_per_j": values["ee_bit_per_j"],
        }
        for alpha in ALPHAS_BITS_PER_TOKEN:
            row[f"tree_{alpha:g}_bit_per_j"] = tree_bit_per_j(
                point, machine, values["energy_j"], alpha, counting
            )
        rows.append(row)
    return pd.DataFrame(rows)
