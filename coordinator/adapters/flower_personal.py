"""Strategies with which nodes have models of their own. On the server each is FedAvg over the tensors that travel; what
stays at home, and the second model of Ditto, are the nodes' matter (edge_node/tasks/personal.py)."""

from __future__ import annotations

from typing import Any

from flwr.serverapp.strategy import FedAvg

PULL = 0.1
"""Default of Ditto's lambda: the one of Li et al. 2021 (arXiv:2012.04221, section 4) that it takes without tuning."""


class FedBN(FedAvg):
    """Layers of batch normalisation stay at home (Li et al. 2021, arXiv:2102.07623)."""


class FedPer(FedAvg):
    """The last layers stay at home (Arivazhagan et al. 2019, arXiv:1912.00818).

    Args:
        layers: Patterns of tensor names, separated by commas; empty: the last layer.
    """

    def __init__(self, layers: str = "", **options: Any) -> None:
        super().__init__(**options)
        self.layers = layers


class Ditto(FedAvg):
    """Every node trains a second model of its own, which the global one pulls at (Li et al. 2021, arXiv:2012.04221).

    Args:
        pull: Ditto's lambda, 0 or more; 0: nodes learn alone beside the global model.
    """

    def __init__(self, pull: float = PULL, **options: Any) -> None:
        super().__init__(**options)
        self.pull = pull
