"""Keys: all that a result depends on is in them, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from carbon_data.own_code import look_beside
from experiments.scenario.model import parse_scenario
from experiments.sweep.keys import Keys, Surroundings, key_of
from tests.experiments.sweep.energy import ENERGY

HERE = Surroundings("code", "data")


def test_values_code_and_data_are_in_the_key_and_the_seed_is_apart() -> None:
    scenario = parse_scenario(ENERGY)
    one = Keys(HERE).identity(scenario)
    assert Keys(HERE).identity(scenario.model_copy(update={"seed": 9})) == one
    assert key_of(one, 0) != key_of(one, 1)
    others = {
        Keys(Surroundings("other", "data")).identity(scenario),
        Keys(Surroundings("code", "other")).identity(scenario),
        Keys(HERE).identity(scenario.model_copy(update={"policy": "det"})),
        Keys(HERE).identity(parse_scenario(ENERGY.replace("1.5", "1.6"))),
    }
    assert len(others | {one}) == 5
    # A default that is stated changes nothing.
    assert Keys(HERE).identity(parse_scenario("seed = 0\n" + ENERGY)) == one


def test_a_file_that_the_scenario_names(tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    text = ENERGY + f'\n[intensity]\nsource = "trace"\noptions = {{ path = "{trace}" }}\n'
    trace.write_text("a")
    before = Keys(HERE).identity(parse_scenario(text))
    assert Keys(HERE).identity(parse_scenario(text)) == before
    trace.write_text("b")
    assert Keys(HERE).identity(parse_scenario(text)) != before


def test_code_of_ones_own_and_what_lies_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DETABED_OWN_CODE", str(tmp_path))
    look_beside(tmp_path)
    scenario = parse_scenario(ENERGY).model_copy(update={"policy": "ownlab:Mine"})
    found = []
    for name, text in (("ownlab.py", "a"), ("ownlab.py", "b"), ("helper.py", "c")):
        (tmp_path / name).write_text(text)
        found.append(Keys(HERE).identity(scenario))
    assert len(set(found)) == 3
