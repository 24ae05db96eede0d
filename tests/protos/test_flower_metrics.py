"""Figures of apps by the names that apps give them."""

from __future__ import annotations

import pytest
from flwr.app import ConfigRecord, Message, MetricRecord, RecordDict

from edge_node.adapters.flower_private import bind_identity
from protos.flower_metrics import ACCURACY, EXAMPLES, LOSS, examples_of, figure_of, numbers_of, weighted_mean


@pytest.mark.parametrize(
    ("there", "names", "value"),
    [
        ({"accuracy": 0.5, "train_accuracy": 0.9}, ACCURACY, 0.5),
        ({"eval-acc": 0.4}, ACCURACY, 0.4),
        ({"top1_Accuracy": 0.3}, ACCURACY, 0.3),
        ({"top1_acc": 0.3, "top5_acc": 0.8}, ACCURACY, None),
        ({"test_logloss": 1.5}, LOSS, 1.5),
        ({"num_examples": 7.0}, EXAMPLES, 7.0),
        ({}, LOSS, None),
    ],
)
def test_a_figure_is_found_by_its_usual_names_or_by_the_only_one_of_its_kind(there, names, value) -> None:
    assert figure_of(there, names) == value


def test_single_numbers_are_read_from_metrics_and_from_the_settings_of_older_apps() -> None:
    bind_identity(1)
    content = RecordDict(
        {
            "evaluateres.loss": MetricRecord({"loss": 1.5, "curve": [1.0, 2.0]}),
            "evaluateres.metrics": ConfigRecord({"accuracy": 0.5, "name": "x", "flag": True}),
        }
    )
    message = Message(content, 2, "evaluate")
    assert numbers_of(message) == {"loss": 1.5, "accuracy": 0.5}


def test_means_are_weighted_by_examples_and_none_without_any() -> None:
    rows = [{"num-examples": 1.0, "accuracy": 0.0}, {"num-examples": 3.0, "accuracy": 1.0}, {"other": 1.0}]
    assert weighted_mean(rows, ACCURACY) == 0.75
    assert weighted_mean(rows, LOSS) is None


def test_a_number_of_examples_is_a_count():
    assert examples_of({"num-examples": 7.0}) == 7
    assert examples_of({}) == 0
    for wrong in (-5.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=r"num-examples is .*; allowed is a finite number of 0 or more"):
            examples_of({"num-examples": wrong})
