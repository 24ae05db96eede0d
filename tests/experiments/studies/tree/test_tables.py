"""Tables of the study: curves, verdicts over the map, ablations of sleep, parameters with their sources."""

from __future__ import annotations

import numpy as np

from experiments.studies.tree.model import Service
from experiments.studies.tree.settings import (
    REFERENCE,
    Setting,
    grid,
)
from experiments.studies.tree.tables import ablation_table, matrix, parameters_table, pick


def test_curves_are_complete_and_finite(curves) -> None:  # type: ignore[no-untyped-def]
    rows = pick(curves, Setting(Service.VR, REFERENCE.background))
    assert matrix(rows, "ee_bit_per_j").shape == (2, len(grid(Service.VR)))
    always = [name for name in curves.columns if not name.endswith("delay_s")]
    assert not curves[always].isna().any().any()
    delivered = curves[["vr_delivered", "vu_delivered", "vg_delivered"]].to_numpy()
    delays = curves[["vr_delay_s", "vu_delay_s", "vg_delay_s"]].to_numpy()
    assert np.array_equal(delivered == 0, np.isnan(delays))  # a delay of nothing is missing, not zero


def test_sleeping_saves_power_and_never_costs_any_without_load(curves) -> None:  # type: ignore[no-untyped-def]
    table = ablation_table(curves)
    total = table[table["figure"] == "total_w"]
    none = total[total["sleep"] == "none"]
    assert (none["difference"] == 0).all()
    calm = total[(total["sleep"] == "joint") & (total["relative_rate"] < 0.3)]
    assert (calm["difference"] < 0).all()


def test_parameters_tell_choices_from_sources() -> None:
    table = parameters_table().set_index("parameter")
    assert not table.loc["es_sleep_w", "choice"]
    assert table.loc["subcarrier_hz", "choice"]
    assert (table["source"].str.len() > 10).all()
