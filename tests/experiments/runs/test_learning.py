"""When a loss on held-out data is that of learning which ran away."""

from __future__ import annotations

import math

import pytest

from edge_node.tasks.registry import find_task
from experiments.runs.learning import ran_away, what_to_change
from experiments.scenario.privacy import PrivacySpec
from experiments.scenario.work import TaskSpec


@pytest.mark.parametrize("first", [None, 3.0])
def test_a_loss_that_is_not_finite_is_always_one(first: float | None) -> None:
    assert ran_away(math.nan, first) == "nan"
    assert ran_away(math.inf, first) == "inf"


def test_a_loss_above_the_first_is_one_where_the_model_was_trained_before() -> None:
    assert ran_away(3.0, 3.0) == ran_away(3.02, 3.0) == ran_away(1.0, 3.0) == ""
    assert ran_away(3.1, 3.0) == "3.1, more than the 3 of the model before training,"
    assert ran_away(9.0, None) == ""  # a model of random weights may begin anywhere


def test_the_language_model_was_trained_before_and_small_models_were_not() -> None:
    assert find_task("lora").trained_before
    assert not find_task("mnist-mlp").trained_before


def test_what_a_scenario_sets_beside_the_rate_is_named_before_the_rate() -> None:
    rate = "lower task.learning_rate (it is 0.1) or task.local_epochs"
    assert what_to_change(TaskSpec(), 0.1, 100) == rate
    wild = TaskSpec(strategy="fedadam", strategy_options={"eta": 1e30})
    assert what_to_change(wild, 0.1, 100) == (
        "strategy fedadam makes the model with task.strategy_options eta = 1e+30; take them back to their defaults "
        f"(`detabed list strategies`); else {rate}"
    )
    said = what_to_change(TaskSpec(privacy=PrivacySpec(kind="central")), 0.1, 10_000)
    assert said.startswith(
        "task.privacy.noise_multiplier = 1 times clipping_norm = 1 in each of 10,000 parameters is "
    )
    assert "noise of length 100 to an update of length 1 at most" in said
    assert said.endswith(f"; else {rate}")
