"""The study from end to end at a small size, and its errors for missing data."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from experiments.errors import UsageError
from experiments.studies.fei import market
from experiments.studies.fei.study import reproduce_fei, table_records


def test_zones_are_enough_and_each_once() -> None:
    nine = ("US-NW-SCL", *market.ZONES[:9])
    with pytest.raises(UsageError, match="10 or more zones, each once, got 10"):
        reproduce_fei("fig4", Path("unused"), False, None, zones=nine)


def test_unknown_part() -> None:
    with pytest.raises(ValueError, match="allowed are table1"):
        reproduce_fei("fig9", Path("unused"), False, None)


def test_small_energies_keep_their_digits() -> None:
    assert table_records(pd.DataFrame({"kwh": [1.23456789e-7]}))[0]["kwh"] == pytest.approx(
        1.23456789e-7, rel=1e-7
    )
