"""Rounds and grams to an accuracy: rounds of development alone, in the order of their slots."""

from __future__ import annotations

from experiments.report import learning
from experiments.report.read import Study


def test_only_rounds_of_development_lead_to_the_accuracy(study: Study) -> None:
    """The third round of development reaches 0.8, in slot 4, when 41 g were emitted."""
    found = learning.as_json(study, "deta")
    assert found["rounds_to_accuracy"] == [3]
    assert found["grams_to_accuracy_g"] == [41.0]


def test_without_a_target_of_its_own_a_study_takes_the_best_of_development(study: Study) -> None:
    del study.any_run.metadata["target_accuracy_fraction"]
    assert learning.target_of(study).accuracy_fraction == 0.8
