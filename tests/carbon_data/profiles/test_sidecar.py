"""A packaged table and its sidecar: read together, or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from carbon_data.profiles.sidecar import FOLDER, read_table
from carbon_data.sources.profiles import PackagedProfiles
from carbon_data.types import DataError


def test_a_changed_table_does_not_load(tmp_path: Path) -> None:
    for path in FOLDER.glob("intensity_2022*"):
        shutil.copy(path, tmp_path)
    table = tmp_path / "intensity_2022.csv"
    table.write_text(table.read_text().replace("24.00", "14.00", 1))
    with pytest.raises(DataError, match="sha256"):
        PackagedProfiles(tmp_path)


@pytest.mark.parametrize("missing", ["source", "licence", "units", "table_sha256"])
def test_a_table_without_its_source_does_not_load(tmp_path: Path, missing: str) -> None:
    shutil.copy(FOLDER / "zone_sites.csv", tmp_path)
    kept = [
        line for line in (FOLDER / "zone_sites.toml").read_text().splitlines() if not line.startswith(missing)
    ]
    (tmp_path / "zone_sites.toml").write_text("\n".join(kept))
    with pytest.raises(DataError, match=missing):
        read_table("zone_sites", tmp_path)


def test_every_packaged_table_has_a_sidecar() -> None:
    tables = sorted(path.stem for path in FOLDER.glob("*.csv"))
    assert tables
    for name in tables:
        assert read_table(name).rows
