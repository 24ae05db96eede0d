"""Scenarios that ship with the package, and the one to start from."""

from __future__ import annotations

import pytest

from experiments.resolve.prepare import open_scenario
from experiments.scenario.packaged import packaged_scenario_text, packaged_scenarios


@pytest.mark.parametrize("name", sorted(packaged_scenarios()))
def test_packaged_scenarios_are_valid_and_state_their_claim(name: str) -> None:
    assert open_scenario(name).name == name
    head = packaged_scenario_text(name).splitlines()[:3]
    assert [line.split(":")[0] for line in head] == ["# Claim", "# Cost", "# Command"]
