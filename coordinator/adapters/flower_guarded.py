"""Aggregation that protects the nodes' updates: equal weights, noise of central differential privacy, secure
aggregation.

``Guarded`` wraps a strategy that takes a mean (FedAvg and those whose mean is FedAvg's). Why not Flower's wrappers:
theirs
scale noise by a number of nodes that is fixed beforehand, while a policy decides who takes part, and draw it from a
generator that no run seeds; their secure aggregation works on the older interface alone, and draws masks from a
generator of 32 bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy

from coordinator.adapters.flower_masked import MaskedSum
from coordinator.adapters.flower_slots import ConfigValue
from protos.flower_names import METRICS

EXAMPLES = "num-examples"
FLOP_PER_PARAMETER = 2.0
"""Operations that the coordinator's joules of an averaged parameter stand for: a product and a sum."""


class Guarded(Strategy):
    """A mean of updates that shows less of each.

    Args:
        strategy: Takes the mean, and adds its own settings to messages.
        equal_weights: Whether every node counts the same: differential privacy then knows what one node can change.
        noise_scale: Standard deviation of the noise in each value of the sum of updates; 0: none.
        seed: Of the noise; None: from the operating system.
        threshold_fraction: Share of the nodes of a round whose answers are needed to unmask their sum; None: updates
            come unmasked.
    """

    def __init__(
        self,
        strategy: Strategy,
        *,
        equal_weights: bool = False,
        noise_scale: float = 0.0,
        seed: int | None = 0,
        threshold_fraction: float | None = None,
    ) -> None:
        self.strategy = strategy
        self._equal_weights, self._noise_scale, self._seed = equal_weights, noise_scale, seed
        self._threshold_fraction = threshold_fraction
        # Of the round under way. Functions, since nothing of it is needed in another start of the run.
        self._model: Callable[[], ArrayRecord] | None = None
        self._sum: Callable[[], MaskedSum] | None = None

    # --- what Decided calls beside Flower's own methods ----------------------------------------------------------

    def open_round(self, configs: Mapping[int, Mapping[str, ConfigValue]], grid: Grid) -> list[int]:
        """Before a round's messages: nodes that can take part, of those with these settings."""
        if self._threshold_fraction is None:
            return list(configs)
        masked = MaskedSum(self._threshold_fraction, configs, grid)
        self._sum = lambda: masked
        return masked.agree()

    def close_round(self, replies: Sequence[Message]) -> int:
        """Once a round's answers are there, while its slot is open. Returns what the server computes beside the mean,
        in averaged parameters."""
        if self._sum is None or self._model is None:
            return 0
        values = sum(math.prod(array.shape) for array in self._model().values())
        return round(self._sum().collect(replies, values) / FLOP_PER_PARAMETER)

    # --- Flower's ------------------------------------------------------------------------------------------------

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        self._model = lambda: arrays
        messages = list(self.strategy.configure_train(server_round, arrays, config, grid))
        if self._sum is not None:
            for message in messages:
                content = RecordDict(dict(message.content.items()))
                content.update(self._sum().terms(message.metadata.dst_node_id))
                message.content = content
        return messages

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        answers = list(replies)
        if self._sum is not None:
            assert self._model is not None
            mean, self._sum = self._sum().mean(self._model(), answers, self._equal_weights), None
            made: tuple[ArrayRecord | None, MetricRecord | None] = (mean, MetricRecord())
        else:
            if self._equal_weights:
                for answer in answers:
                    told = {**answer.content.metric_records[METRICS], EXAMPLES: 1}
                    answer.content = RecordDict({**dict(answer.content.items()), METRICS: MetricRecord(told)})
            made = self.strategy.aggregate_train(server_round, answers)
        if made[0] is None or not self._noise_scale:
            return made
        return self._noised(made[0], server_round, len(answers)), made[1]

    def _noised(self, mean: ArrayRecord, server_round: int, nodes: int) -> ArrayRecord:
        draw = np.random.default_rng(None if self._seed is None else (self._seed, server_round))
        scale = self._noise_scale / nodes
        return ArrayRecord(
            {
                name: Array(np.asarray(array.numpy() + draw.normal(0.0, scale, tuple(array.shape))))
                for name, array in mean.items()
            }
        )

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        return self.strategy.configure_evaluate(server_round, arrays, config, grid)

    def aggregate_evaluate(self, server_round: int, replies: Iterable[Message]) -> MetricRecord | None:
        return self.strategy.aggregate_evaluate(server_round, replies)

    def summary(self) -> None:
        self.strategy.summary()


def open_round(strategy: Any, configs: Mapping[int, Mapping[str, ConfigValue]], grid: Grid) -> list[int]:
    """Nodes that get a message in the round, of those with these settings."""
    return strategy.open_round(configs, grid) if isinstance(strategy, Guarded) else list(configs)


def close_round(strategy: Any, replies: Sequence[Message]) -> int:
    """See Guarded."""
    return strategy.close_round(replies) if isinstance(strategy, Guarded) else 0
