"""Derive the packaged intensity profiles from the hourly file of the data folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from carbon_data.files.datasets import DatasetState, dataset, status_of
from carbon_data.profiles.build import main
from carbon_data.profiles.sidecar import FOLDER


@pytest.mark.skipif(
    status_of(dataset("em-lca-2022")).state is not DatasetState.PRESENT,
    reason="the hourly file is not in the data folder",
)
def test_rebuilding_gives_the_same_bytes(tmp_path: Path) -> None:
    assert main(["--folder", str(tmp_path)]) == 0
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (FOLDER / path.name).read_bytes(), path.name


def test_rebuilding_without_the_file_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DETABED_DATA_DIR", str(tmp_path))
    assert main([]) == 2
    assert "decarbonization-potential" in capsys.readouterr().err
