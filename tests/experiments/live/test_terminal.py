"""The screen, at the widths that people have."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from experiments.live.terminal import fault_line, screen
from experiments.live.watched import Watched


@pytest.mark.parametrize("width", [60, 80, 160])
def test_nodes_figures_and_standing_are_shown_whole(finished: Path, width: int) -> None:
    watched = Watched(finished)
    watched.look()
    console = Console(file=io.StringIO(), width=width, height=30)
    console.print(screen(watched, 30, width))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "finished" in text
    assert "slot 8 of 8 closed" in text
    assert all(f"n{k} " in text for k in range(3))
    assert max(len(line) for line in text.splitlines()) <= width
    rows = [line for line in text.splitlines() if line.startswith("n0")]
    assert "…" not in rows[0]
    assert any(line.startswith("node") and "CO2e" in line for line in text.splitlines())


def test_nodes_that_have_no_room_are_counted(finished: Path) -> None:
    watched = Watched(finished)
    watched.look()
    watched.picture.nodes |= {f"m{k}": watched.picture.nodes["n0"] for k in range(40)}
    console = Console(file=io.StringIO(), width=80, height=24)
    console.print(screen(watched, 24, 80))
    assert "more" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_fault_names_slot_and_node() -> None:
    assert fault_line({"slot": 3, "node": "n1", "text": "no reading"}) == "slot 3 n1: no reading"
    assert fault_line({"slot": None, "node": "", "text": "the coordinator was started again"}) == (
        "the coordinator was started again"
    )
