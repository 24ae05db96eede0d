"""The kinds that are compared, and the scenario that all of them share. A further kind is one line of KINDS."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from experiments.scenario.model import Scenario

NODES = 6
"""Three zones, two nodes in each; a choice."""
ZONES = ("SE-SE3", "DE", "PL")


@dataclass(frozen=True, slots=True)
class Kind:
    """Changes of a kind to the common scenario."""

    title: str
    task: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] | None = None
    """Table ``[training]`` of the scenario."""
    baseline: str = "fedavg"
    """The kind that it is compared with in pairs: the same model, the same seeds."""


KINDS: dict[str, Kind] = {
    "fedavg": Kind("FedAvg"),
    "fedper": Kind("FedPer: last layer at home", {"strategy": "fedper"}),
    "ditto": Kind("Ditto: a second model", {"strategy": "ditto"}),
    "fedavg-bn": Kind("FedAvg, with batch normalisation", {"name": "mnist-mlp-bn"}, baseline="fedavg-bn"),
    "fedbn": Kind(
        "FedBN: normalisation at home", {"name": "mnist-mlp-bn", "strategy": "fedbn"}, baseline="fedavg-bn"
    ),
    "split": Kind("Split learning, cut after ReLU", training={"kind": "split", "cut": "relu"}),
    "vertical": Kind("Vertical: columns of pixels", {"partition": "iid"}, training={"kind": "vertical"}),
    "secure": Kind("Secure aggregation", {"privacy": {"secure_aggregation": True}}),
    "central": Kind("Central privacy, noise 1", {"privacy": {"kind": "central"}}),
    "central-weak": Kind(
        "Central privacy, noise 0.05", {"privacy": {"kind": "central", "noise_multiplier": 0.05}}
    ),
    "local": Kind("Local privacy, noise 1", {"privacy": {"kind": "local"}}),
    "local-weak": Kind("Local privacy, noise 0.05", {"privacy": {"kind": "local", "noise_multiplier": 0.05}}),
}
"""By name, baselines first."""


def scenario_of(kind: str, seed: int, rounds: int) -> Scenario:
    """The run of a kind: the same zones, data, shares of data, batches and rounds; nodes run their own work."""
    chosen = KINDS[kind]
    told: dict[str, Any] = {
        "name": f"kinds-{kind}",
        "policy": "local",
        "seed": seed,
        "stages": {"preparation": 0, "development": rounds, "application": 0, "recycling": 0},
        "task": {
            "data": "digits",
            "batch_size": 16,
            "local_epochs": 2,
            "partition": "dirichlet",
            "dirichlet_alpha": 0.3,
            "measure_personal": True,
            **chosen.task,
        },
        "fleet": {"kind": "inprocess"},
        "nodes": [{"zone": zone, "count": NODES // len(ZONES)} for zone in ZONES],
    }
    if told["task"]["partition"] == "iid":
        del told["task"]["dirichlet_alpha"]
    if chosen.training is not None:
        del told["task"]["measure_personal"]
        told["training"] = chosen.training
    return Scenario(**told)
