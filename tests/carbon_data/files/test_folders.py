"""Folders of files that are not part of the package: from a setting, or in the user's cache folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from carbon_data.files.folders import data_dir


def test_the_cache_folder_is_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DETABED_DATA_DIR", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert data_dir() == tmp_path / "detabed" / "data"
