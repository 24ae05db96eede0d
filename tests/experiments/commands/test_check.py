"""``check`` finds the errors of ``run`` before anything starts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.cli import invoke
from experiments.report.notices import notices
from experiments.report.read import load
from experiments.resolve.resolve import resolve
from experiments.scenario.model import load_scenario
from tests.scenarios import TINY

SERVED = """name = "served"
policy = "local"
[stages]
preparation = 0
development = 0
application = 151
recycling = 0
[inference]
arrivals = "poisson"
batches_per_slot = 1
requests_per_batch = 2
[[inference.services]]
task = "tiny-gpt"
data = "pydoc"
load_fraction = 0.1
[fleet]
kind = "inprocess"
[[nodes]]
zone = "DE"
count = 2
"""


def test_a_long_scenario_tells_how_far_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "served.toml"
    path.write_text(SERVED)
    assert invoke(["check", str(path), "--json"]) == 0
    assert "requests of nodes" not in capsys.readouterr().err
    told: list[tuple[str, int, int]] = []
    resolve(load_scenario(path), lambda *each: told.append(each))
    assert {what for what, _, _ in told} == {"harvest of nodes", "requests of nodes, by slot"}
    requests = [(done, of) for what, done, of in told if what.startswith("requests")]
    assert requests == [(0, 302), (100, 302), (151, 302), (251, 302)]


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
