"""Energy of every processor package, in a fake powercap tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_node.meters.sources.rapl import open_rapl
from edge_node.meters.sources.source import SourceError
from protos.messages.terms import MeterKind


def zone(root: Path, folder: str, name: str, energy_uj: int, largest_uj: int) -> Path:
    path = root / folder
    path.mkdir()
    (path / "name").write_text(f"{name}\n")
    (path / "energy_uj").write_text(f"{energy_uj}\n")
    (path / "max_energy_range_uj").write_text(f"{largest_uj}\n")
    return path


def test_every_package_counts_and_wraps_by_itself(tmp_path: Path) -> None:
    first = zone(tmp_path, "intel-rapl:0", "package-0", 100, 999)
    second = zone(tmp_path, "intel-rapl:1", "package-1", 5_000, 65_535)
    zone(tmp_path, "intel-rapl:2", "psys", 1, 9)
    zone(tmp_path, "intel-rapl:0:0", "core", 1, 9)
    source = open_rapl("", root=tmp_path)
    assert (source.kind, source.read()) == (MeterKind.COUNTER, 0)
    (first / "energy_uj").write_text("15\n")
    (second / "energy_uj").write_text("5400\n")
    assert source.read() == 915 + 400


def test_one_package_may_be_named(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", 100, 999)
    second = zone(tmp_path, "intel-rapl:1", "package-1", 5_000, 65_535)
    source = open_rapl(str(second))
    (second / "energy_uj").write_text("5400\n")
    assert source.read() == 400
    (second / "energy_uj").unlink()
    with pytest.raises(SourceError, match="cannot be read"):
        source.read()


def test_without_a_package_another_meter_is_chosen(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="choose another meter"):
        open_rapl("", root=tmp_path)
