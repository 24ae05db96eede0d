"""Refusals of the kinds of training."""

from __future__ import annotations

from experiments.errors import UsageError
from experiments.scenario.model import Scenario


def refuse_kind(scenario: Scenario) -> None:
    """Raises UsageError, with its line, for a kind of training that cannot be run as the scenario stands."""
    kind = scenario.training.kind
    if kind != "federated":
        with scenario.at("training", "kind"):
            raise UsageError(f'kind = "{kind}" cannot be run by this version; give kind = "federated"')
