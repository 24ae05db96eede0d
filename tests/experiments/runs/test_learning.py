"""When a loss on held-out data is that of learning which ran away."""

from __future__ import annotations

import math

import pytest

from edge_node.tasks.registry import find_task
from experiments.runs.learning import ran_away


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
