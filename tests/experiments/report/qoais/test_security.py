"""What a report says of security, by hand."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.report.qoais.indicator import Dimension, Indicator, Row, Status
from experiments.report.qoais.security import _budget

PRIVATE = {
    "kind": "central",
    "epsilon": 30.1,
    "delta": 1e-5,
    "releases": 20,
    "seeded": True,
    "secure_aggregation": False,
}


def budget(**metadata: Any) -> Indicator:
    return _budget(Row(Dimension.SECURITY, "privacy"), metadata)


def test_the_privacy_budget_of_a_private_run_is_its_epsilon() -> None:
    found = budget(strategy="fedavg", privacy=PRIVATE)
    assert (found.status, found.value) == (Status.MEASURED, 30.1)
    assert "20 releases" in found.formula
    assert "delta = 1e-05" in found.formula
    assert "seed" in found.note
    assert "seed" not in budget(privacy=PRIVATE | {"seeded": False}).note


@pytest.mark.parametrize("masked", [True, False])
def test_without_noise_there_is_no_epsilon(masked: bool) -> None:
    told = {"kind": "none", "epsilon": None, "secure_aggregation": masked}
    found = budget(strategy="fedavg", privacy=told)
    assert found.value == "unbounded"
    assert ("sum of updates alone" in found.note) == masked
    for strategy in ("fedavg", "fedper"):
        assert budget(strategy=strategy).value == "unbounded"


def test_a_strategy_that_may_add_noise_without_an_epsilon_is_not_called_unbounded() -> None:
    assert budget(strategy="my.module:DPFedAvg").status is Status.NOT_MEASURED
