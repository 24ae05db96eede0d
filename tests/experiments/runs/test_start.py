"""Before a run starts: its policies, its folder, its network namespace. Imports nothing that starts threads."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.runs.start import new_folder


def test_the_makefile_s_demo_may_be_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --output every comparison takes a folder of its own."""
    makefile = (Path(__file__).parents[3] / "Makefile").read_text(encoding="utf-8")
    demo = makefile.split("demo: install\n")[1].split("\n\n")[0]
    assert "detabed compare demo" in demo
    assert "--output" not in demo
    monkeypatch.chdir(tmp_path)
    first = new_folder(None, "demo-compare")
    first.mkdir(parents=True)
    assert new_folder(None, "demo-compare") != first
