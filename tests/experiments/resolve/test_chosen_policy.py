"""The scenario's policy: its options, whether it needs true values, and whether its look-ahead shortens its rule."""

from __future__ import annotations

import pytest

from experiments.resolve.chosen_policy import horizon_slots, policy_settings
from experiments.scenario.model import parse_scenario
from tests.experiments.minimal import MINIMAL


def test_a_policy_that_learns_by_the_hour_is_told_the_slots_of_a_day() -> None:
    text = MINIMAL + "[time]\ntrace_step_s = 1800.0\n[policy_options]\n"
    scenario = parse_scenario(text.replace("[task]", 'policy = "belief"\n[task]', 1))
    assert policy_settings(scenario)["slots_per_day"] == 48
    own = parse_scenario((text + "slots_per_day = 7\n").replace("[task]", 'policy = "belief"\n[task]', 1))
    assert policy_settings(own)["slots_per_day"] == 7
    assert "slots_per_day" not in policy_settings(parse_scenario(MINIMAL))


@pytest.mark.parametrize(
    ("policy", "nodes", "waits", "slots"),
    [
        ("deta", 5, 0, 24),
        # Through a hub: as many slots as its program solves quickly, and no fewer than one by pair would.
        ("deta", 12, 6, 24),
        ("deta", 30, 0, 24),
        ("deta", 60, 0, 24),
        ("deta", 60, 3, 10),
        ("deta", 60, 40, 2),
        # Nothing is solved through a hub.
        ("admm", 30, 0, 11),
        ("admm", 60, 3, 2),
        # From 61 nodes on work that may wait has a plan that looks as far.
        ("deta", 61, 0, 2),
        ("deta", 61, 3, 4),
        ("deta", 5000, 0, 1),
        ("deta", 5000, 3, 4),
    ],
)
def test_a_horizon_left_open_is_a_day_as_far_as_decisions_stay_quick(
    policy: str, nodes: int, waits: int, slots: int
) -> None:
    scenario = parse_scenario(MINIMAL)
    node = scenario.nodes[0].model_copy(update={"count": nodes})
    changes = {
        "policy": policy,
        "nodes": (node,),
        "limits": scenario.limits.model_copy(update={"deadline_slots": waits}),
        "stages": scenario.stages.model_copy(update={"development": 48}),
    }
    assert horizon_slots(scenario.model_copy(update=changes)) == slots


def test_a_horizon_left_open_stays_short_where_nodes_may_sleep() -> None:
    """Such fleets are decided by pair up to 60 nodes."""
    scenario = parse_scenario(MINIMAL)
    changes = {
        "policy": "deta",
        "nodes": (scenario.nodes[0].model_copy(update={"count": 60}),),
        "limits": scenario.limits.model_copy(update={"may_sleep": True}),
        "stages": scenario.stages.model_copy(update={"development": 48}),
    }
    assert horizon_slots(scenario.model_copy(update=changes)) == 2
