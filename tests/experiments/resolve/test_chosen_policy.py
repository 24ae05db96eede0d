"""The scenario's policy: its options, whether it needs true values, and whether its look-ahead shortens its rule."""

from __future__ import annotations

from experiments.resolve.chosen_policy import policy_settings
from experiments.scenario.model import parse_scenario
from tests.experiments.minimal import MINIMAL


def test_a_policy_that_learns_by_the_hour_is_told_the_slots_of_a_day() -> None:
    text = MINIMAL + "[time]\ntrace_step_s = 1800.0\n[policy_options]\n"
    scenario = parse_scenario(text.replace("[task]", 'policy = "belief"\n[task]', 1))
    assert policy_settings(scenario)["slots_per_day"] == 48
    own = parse_scenario((text + "slots_per_day = 7\n").replace("[task]", 'policy = "belief"\n[task]', 1))
    assert policy_settings(own)["slots_per_day"] == 7
    assert "slots_per_day" not in policy_settings(parse_scenario(MINIMAL))
