"""``check`` finds the errors of ``run`` before anything starts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.cli import invoke
from experiments.report.notices import notices
from experiments.report.read import load
from tests.scenarios import TINY


def test_profiles_of_another_year_are_warned_of_in_check_run_metadata_and_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "later.toml"
    short = "[stages]\npreparation = 1\ndevelopment = 1\napplication = 0\nrecycling = 0\n"
    path.write_text(f"[time]\nstart = 2026-03-01T00:00:00Z\n{short}{TINY}".replace("count = 12", "count = 2"))
    assert invoke(["check", str(path), "--json"]) == 0
    said = capsys.readouterr()
    (warning,) = json.loads(said.out)["warnings"]
    assert warning.startswith("packaged intensity profiles of 2022 stand in for 2026:")
    assert said.err.startswith("warning: packaged")
    assert invoke(["run", str(path), "-o", str(tmp_path / "run"), "--no-report"]) == 0
    assert f"warning: {warning}" in capsys.readouterr().err
    assert json.loads((tmp_path / "run" / "metadata.json").read_text())["warnings"] == [warning]
    assert warning in [notice.text for notice in notices(load(tmp_path / "run"))]
