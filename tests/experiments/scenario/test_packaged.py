"""Scenarios that ship with the package, and the one to start from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.cli import invoke
from experiments.resolve.prepare import open_scenario
from experiments.scenario.packaged import packaged_scenario_text, packaged_scenarios


@pytest.mark.parametrize("name", sorted(packaged_scenarios()))
def test_packaged_scenarios_are_valid_and_state_their_claim(name: str) -> None:
    assert open_scenario(name).name == name
    head = packaged_scenario_text(name).splitlines()[:3]
    assert [line.split(":")[0] for line in head] == ["# Claim", "# Cost", "# Command"]


def test_init_says_the_command_that_stands_in_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert invoke(["init", "my.toml", "--json"]) == 0
    following = json.loads(capsys.readouterr().out)["next"]
    assert following.startswith("detabed compare my.toml --policies local,")
    assert f"# Command: {following}" in Path("my.toml").read_text().splitlines()
