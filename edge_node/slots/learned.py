"""What a round of a user's app costs on a node: as expected before its first round, then the mean of its rounds."""

from __future__ import annotations

from edge_node.config import AppConfig, NodeConfig
from edge_node.energy.power_model import PowerModel
from edge_node.workload import WorkCost
from protos.messages.terms import Stage
from protos.messages.work import WorkProfile


class LearnedCost:
    """Grows with every round; the node tells it with its telemetry.

    Args:
        config: The node's configuration, of a run of an app.
    """

    def __init__(self, config: NodeConfig) -> None:
        if config.app is None or config.demand is None:
            raise ValueError(f"{config.node_id}: only a run of an app learns what its rounds cost")
        self.app: AppConfig = config.app
        self._speed = config.board.effective_flop_per_s
        self._model, self._bytes = PowerModel(config.board), config.demand.bytes_per_batch
        self._flop = self._model_bytes = 0.0
        self.rounds = 0

    def flop(self, seconds: float, *, batches: int) -> float:
        """Operations of a piece of work: as the scenario declares, else those that the board does in ``seconds``.

        ``batches``: of training that was done; 0: the work is of another kind."""
        declared = self.app.round_flop if batches else self.app.evaluate_flop
        share = batches / (self.app.batches or 1) if batches else 1.0
        return seconds * self._speed if declared is None else declared * share

    def observe(self, flop: float, model_bytes: int) -> None:
        """Training was done, ``flop`` a batch; ``model_bytes``: of the model, one way."""
        self.rounds += 1
        self._flop += (flop - self._flop) / self.rounds
        self._model_bytes += (model_bytes - self._model_bytes) / self.rounds

    def work(self, stage: Stage) -> tuple[WorkProfile, ...]:
        """Cost of a batch of ``stage`` as learned; empty before the first round."""
        if not self.rounds:
            return ()
        cost = WorkCost(self._flop, self._bytes, round(self._model_bytes))
        return (self._model.work_profile(stage, cost),)
