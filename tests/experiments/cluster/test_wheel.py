"""The wheel for boards: what it installs is, file by file, what runs here."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from carbon_data.ours import NAMES
from experiments.cluster.agent.installed import code_digest
from experiments.cluster.wheel import build_wheel, wheel_digest
from experiments.errors import UsageError


@pytest.mark.processes
def test_what_is_built_is_what_runs(tmp_path: Path) -> None:
    pytest.importorskip("setuptools")  # without it pip fetches it from the index
    wheel = build_wheel(tmp_path)
    expected = code_digest(NAMES)
    assert wheel_digest(wheel) == expected
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    there = tmp_path / "site" / "edge_node" / "versions.py"
    there.write_text(there.read_text() + "\n")
    with zipfile.ZipFile(tmp_path / "other.whl", "w") as archive:
        for path in (tmp_path / "site").rglob("*"):
            if path.is_file():
                archive.write(path, path.relative_to(tmp_path / "site"))
    assert wheel_digest(tmp_path / "other.whl") != expected


def test_where_there_are_no_sources_a_wheel_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no checkout \(pyproject.toml, .*missing\).*--wheel FILE"):
        build_wheel(tmp_path, tmp_path)


def test_another_wheel_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "some.whl"
    path.write_text("no archive")
    with pytest.raises(UsageError, match="cannot be read as a wheel"):
        wheel_digest(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("edge_node/__init__.py", "")
    with pytest.raises(UsageError, match="no wheel of detabed"):
        wheel_digest(path)
