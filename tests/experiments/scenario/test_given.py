"""A scenario as it was given."""

from __future__ import annotations

from experiments.scenario.model import Scenario, parse_scenario
from experiments.scenario.places import BatterySpec, NodeSpec
from tests.experiments.minimal import MINIMAL


def test_keys_are_those_of_the_file_and_of_later_changes() -> None:
    scenario = parse_scenario(MINIMAL)
    keys = {"name": "small", "task": {"data": "digits"}, "nodes": [{"zone": "FR"}, {"zone": "DE"}]}
    assert scenario.as_given() == keys
    later = scenario.model_copy(update={"seed": 4, "policy": "local"})
    assert later.as_given() == keys | {"seed": 4, "policy": "local"}


def test_what_nodes_inherit_is_not_among_the_keys() -> None:
    own = NodeSpec(zone="DE", battery=BatterySpec(capacity_wh=1))
    scenario = Scenario(nodes=(own,), battery=BatterySpec(initial_fraction=0.25))
    assert scenario.nodes[0].battery == BatterySpec(capacity_wh=1, initial_fraction=0.25)
    found = scenario.as_given()
    assert found is not None
    assert found["nodes"] == [{"zone": "DE", "battery": {"capacity_wh": 1}}]
    assert Scenario.model_validate(found) == scenario


def test_a_scenario_that_was_changed_in_another_way_has_none() -> None:
    scenario = parse_scenario(MINIMAL)
    assert scenario.model_copy(update={"nodes": scenario.nodes[:1]}).as_given() is None
