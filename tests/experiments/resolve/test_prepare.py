"""From the command line's arguments to a validated scenario, before anything starts."""

from __future__ import annotations

from pathlib import Path

from experiments.resolve.prepare import open_scenario
from experiments.resolve.resolve import resolve
from tests.scenarios import TINY


def test_another_kind_of_fleet_drops_the_options_of_the_scenario_s(tmp_path: Path) -> None:
    path = tmp_path / "two.toml"
    path.write_text(TINY.replace('kind = "inprocess"', 'processes = 2\nmeter = "cpu-time"'))
    here = open_scenario(str(path), fleet="inprocess")
    resolve(here)
    assert (here.fleet.processes, here.fleet.meter) == ("auto", "cpu-time")
    assert open_scenario(str(path), fleet="ray").fleet.processes == 2
