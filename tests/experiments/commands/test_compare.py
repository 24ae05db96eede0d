"""``detabed compare --resume``: what ``detabed resume`` does (tests/e2e/test_resume.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.cli import invoke


def test_it_does_what_resume_does(small_comparison: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = []
    for command in (["resume", str(small_comparison)], ["compare", "--resume", str(small_comparison)]):
        assert invoke(command) == 2
        said.append(capsys.readouterr().err)
    assert "is DONE" in said[0]
    assert said[0] == said[1]


def test_the_folder_knows_the_comparison(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["compare", "demo", "--resume", str(tmp_path)]) == 2
    assert "leave scenario" in capsys.readouterr().err
    assert invoke(["compare"]) == 2
    assert "no scenario" in capsys.readouterr().err
