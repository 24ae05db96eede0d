"""``detabed data status``: what is in place."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from experiments.cli import invoke
from experiments.commands import data_status


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_the_state_is_shown_at_every_width(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    """It is what the command is asked for."""
    monkeypatch.setenv("DETABED_DATA_DIR", str(tmp_path))
    console = Console(file=io.StringIO(), width=width)
    monkeypatch.setattr(data_status, "out", console)
    assert invoke(["data", "status"]) == 0
    text = console.file.getvalue()  # type: ignore[attr-defined]
    rows = [line for line in text.splitlines() if line.startswith("│")]
    names = [row.dataset.name for row in data_status.status()]
    assert len([row for row in rows if "missing" in row]) == len(names)
    assert "".join(row[1:].split("│")[0].strip() for row in rows) == "".join(names), "folded, and not cut"
    assert max(map(len, rows)) <= width
