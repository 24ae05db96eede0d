"""Errors of issued forecasts by lead and zone, beside persistence and the Gaussian reference, over a whole year."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from experiments.studies.forecasts.errors import by_day, errors_by_lead
from tests.experiments.studies.forecasts.written import written

HOUR = timedelta(hours=1)


def test_errors_by_lead_by_hand(tmp_path: Path) -> None:
    """Issues err by a tenth of the lead; persistence by as many days as lie between."""
    truth, forecasts = written(tmp_path)
    found = errors_by_lead(truth, forecasts, ["Z0"]).set_index("lead_h")
    level = found["mean_g_per_kwh"]
    assert (found["issued_fraction"] * level)[[0, 10, 95]].tolist() == pytest.approx([0.0, 1.0, 9.5])
    assert (found["persistence_fraction"] * level)[[0, 23, 24, 95]].tolist() == pytest.approx([1, 1, 2, 4])
    pooled = by_day(errors_by_lead(truth, forecasts, ["Z0", "Z1"]))
    assert pooled[pooled["zone"] == "all"]["issued_fraction"].is_monotonic_increasing
