"""One number in the kernel's sysfs."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_node.meters.sources.source import SourceError
from edge_node.meters.sources.sysfs import integer, text


def test_a_sensor_that_goes_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "power1_input"
    with pytest.raises(SourceError, match="cannot be read"):
        integer(path)
    path.write_text("4000000\n")
    assert integer(path) == 4_000_000
    for broken in ("", "n/a\n"):
        path.write_text(broken)
        with pytest.raises(SourceError, match="cannot be read"):
            integer(path)
    path.write_text("-5\n")
    assert integer(path) == -5


def test_a_label_that_is_missing_is_empty(tmp_path: Path) -> None:
    assert text(tmp_path / "in1_label") == ""
    (tmp_path / "in1_label").write_text("VDD_IN\n")
    assert text(tmp_path / "in1_label") == "VDD_IN"
