"""Strategies with which nodes have models of their own. On the server each is FedAvg over the tensors that travel; what
stays at home, and the second model of Ditto, are the nodes' matter (edge_node/tasks/personal.py).

Options are checked by their annotations, which are types here and no texts.
"""

from flwr.serverapp.strategy import FedAvg

PULL = 0.1
"""[C] Default of Ditto's lambda: the best one depends on how far nodes' data differ."""


class FedBN(FedAvg):
    """Layers of batch normalisation stay at home (Li et al. 2021, arXiv:2102.07623)."""


class FedPer(FedAvg):
    """The last layers stay at home (Arivazhagan et al. 2019, arXiv:1912.00818).

    Args:
        layers: Patterns of tensor names, separated by commas; empty: the last layer.
        weighted_by_key: As of FedAvg.
    """

    def __init__(self, layers: str = "", weighted_by_key: str = "num-examples") -> None:
        super().__init__(weighted_by_key=weighted_by_key)
        self.layers = layers


class Ditto(FedAvg):
    """Every node trains a second model of its own, which the global one pulls at (Li et al. 2021, arXiv:2012.04221).

    Args:
        pull: Ditto's lambda, 0 or more; 0: nodes learn alone beside the global model.
        weighted_by_key: As of FedAvg.
    """

    def __init__(self, pull: float = PULL, weighted_by_key: str = "num-examples") -> None:
        super().__init__(weighted_by_key=weighted_by_key)
        self.pull = pull
