"""Processes that import beside the command, for real."""

from __future__ import annotations

import sys

import pytest

from experiments.report import second_process
from experiments.runs.beside import Beside
from experiments.scenario.model import parse_scenario
from tests.experiments.children import children
from tests.scenarios import SMALL

pytestmark = pytest.mark.processes


def meant() -> list[str]:
    """What children of this process run, of those that are meant."""
    return sorted(
        word for _, line in children() for word in line if word in (second_process.MODULE, "coordinator")
    )


@pytest.mark.skipif(sys.platform != "linux", reason="nothing is forked elsewhere")
@pytest.mark.parametrize(
    ("kind", "draw", "started"),
    [
        ("ray", True, {second_process.MODULE, "coordinator"}),
        ("ray", False, {"coordinator"}),
        ("inprocess", True, {second_process.MODULE}),
        ("inprocess", False, set()),
    ],
)
def test_what_a_run_needs_is_started_once_and_ends_with_the_block(
    monkeypatch, tmp_path, kind, draw, started
) -> None:
    monkeypatch.setattr(second_process, "cpu_count", lambda: 2)
    scenario = parse_scenario(SMALL.replace("inprocess", kind), "small.toml")
    with Beside() as beside:
        for _ in range(2):
            beside.start(scenario, draw)
        if "coordinator" in started:
            assert beside.coordinators.take(["--help"], tmp_path / "log").wait(600) == 0
        assert meant() == sorted(started)
    assert meant() == []
