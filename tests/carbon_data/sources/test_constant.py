"""Constant power and constant intensity: for tests, teaching, and sites without a trace."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from carbon_data.sources.conformance import harvest_violations, intensity_violations
from carbon_data.sources.constant import ConstantHarvest, ConstantIntensity
from carbon_data.types import DataError

JUNE = datetime(2022, 6, 21, tzinfo=UTC)


def test_constants_conform() -> None:
    assert harvest_violations(ConstantHarvest(3.0), JUNE) == []
    assert intensity_violations(ConstantIntensity({"DE": 400.0, "FR": 50.0}), JUNE) == []
    for wrong in (-1.0, float("nan"), float("inf")):
        with pytest.raises(DataError):
            ConstantHarvest(wrong)
        with pytest.raises(DataError):
            ConstantIntensity({"DE": wrong})
