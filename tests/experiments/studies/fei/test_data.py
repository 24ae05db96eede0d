"""Data sets of the study, which must be at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from carbon_data.files.folders import DATA_DIR_VARIABLE
from carbon_data.types import DataError
from experiments.studies.fei.data import find_data
from experiments.studies.fei.spec import QUICK


def test_missing_files_are_named_with_the_way_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATA_DIR_VARIABLE, str(tmp_path))
    with pytest.raises(DataError, match=r"mnist-train-images.*detabed data fetch"):
        find_data(QUICK)
