"""Tests: refusals of the kinds of training."""

from __future__ import annotations

import pytest

from experiments.errors import UsageError
from experiments.resolve.resolve import resolve
from experiments.scenario.model import parse_scenario

TEXT = """
[task]
data = "digits"
[training]
kind = "{kind}"
[[nodes]]
zone = "FR"
count = 2
"""


def test_whole_models_are_trained_where_nothing_is_said():
    assert parse_scenario('[[nodes]]\nzone = "FR"').training.kind == "federated"


def test_an_unknown_kind_is_refused_with_those_there_are():
    with pytest.raises(UsageError, match="federated"):
        parse_scenario(TEXT.format(kind="diagonal"))


@pytest.mark.parametrize("kind", ["split", "vertical"])
def test_a_kind_that_does_not_run_is_refused(kind):
    with pytest.raises(UsageError, match="training.kind"):
        resolve(parse_scenario(TEXT.format(kind=kind)))
