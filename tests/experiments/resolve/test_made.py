"""Emissions of making a run's boards and the scenario's own factors, for the run's metadata."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_node.energy.boards import EMBODIED
from edge_node.energy.sourced import Figure, Unknown
from experiments.errors import UsageError
from experiments.resolve.made import boards_from, factors_from, made_metadata
from experiments.scenario.model import parse_scenario
from tests.experiments.resolve.test_factors import OWN
from tests.scenarios import TINY


def test_the_metadata_brings_back_boards_and_own_factors(tmp_path: Path) -> None:
    (tmp_path / "factors.toml").write_text(OWN)
    text = TINY + '[board]\nprofile = "raspberry-pi-5"\n[accounting]\nfactors = "factors.toml"\n'
    metadata = json.loads(json.dumps(made_metadata(parse_scenario(text, folder=tmp_path))))
    boards = boards_from(metadata)
    # The scenario's own factor fills what the profile does not know; the coordinator's board is as packaged.
    assert boards["raspberry-pi-5"] == ("raspberry-pi-5", {EMBODIED: Figure(20000.0, "g", "maker")})
    assert isinstance(boards["raspberry-pi-4b"][1][EMBODIED], Figure)
    assert factors_from(metadata)["embodied"]["jetson-nano"] == Unknown("g", "asked, not answered")


def test_without_own_factors_nothing_of_them_is_kept() -> None:
    metadata = made_metadata(parse_scenario(TINY))
    assert list(metadata) == ["board_profiles"]
    assert factors_from({}) == boards_from({}) == {}


def test_a_factors_file_that_is_not_there_is_refused_at_its_key(tmp_path: Path) -> None:
    text = TINY + '[accounting]\nfactors = "nowhere.toml"\n'
    with pytest.raises(
        UsageError, match=r"scenario:\d+: accounting.factors: there is no file .*nowhere.toml"
    ):
        made_metadata(parse_scenario(text, folder=tmp_path))
