"""Updates that leave a node clipped, and with noise where the node trusts no server (local differential privacy).

The update is what travels less what was received. It is scaled to an L2 norm of at most C (flat clipping, McMahan et
al.
2018, arXiv:1710.06963); with local privacy Gaussian noise of standard deviation z C is added to every value. Whatever
the node's data are, two of its updates are at most 2 C apart: the sensitivity of local privacy. The sum over nodes
changes by at most C where a node is added or taken away: that of central privacy, whose noise the server adds.

Why not Flower's mods: LocalDpMod takes epsilon to sigma by a bound that holds below epsilon = 1 alone, leaves the
sensitivity to its user, and draws from a generator that no run seeds.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edge_node.config import InferenceConfig, PrivacyConfig, TaskConfig
from edge_node.tasks.personal import PersonalWorkload
from edge_node.tasks.workload import IDS
from edge_node.workload import Arrays, Parameters, Stop, TrainResult

CLIP_FLOP_PER_VALUE = 6.0
"""A difference, its square, the sum, a product, a sum."""
NOISE_FLOP_PER_VALUE = 24.0
"""[C] A normal number by the ziggurat method (about twenty operations with its generator), a product, a sum."""


class PrivateWorkload(PersonalWorkload):
    """A workload whose updates are clipped."""

    def __init__(self, config: TaskConfig, inference: InferenceConfig | None = None) -> None:
        """As PersonalWorkload; ``config.privacy`` is needed."""
        super().__init__(config, inference)
        self._privacy = config.privacy or PrivacyConfig()
        if self._privacy.clipping_norm is None:
            raise ValueError("a private workload needs clipping_norm")
        self._norm: float = self._privacy.clipping_norm

    def train(
        self,
        parameters: Parameters,
        batches: Sequence[Arrays],
        options: Mapping[str, float],
        stop: Stop | None = None,
    ) -> TrainResult:
        """As PersonalWorkload, with the update clipped, and noised where the node does it."""
        found = super().train(parameters, batches, options, stop)
        private = self._privacy
        update = {
            name: array.astype(np.float64) - parameters[name] for name, array in found.parameters.items()
        }
        try:
            update = clipped(update, self._norm)
        except ValueError as error:
            multiplier = private.noise_multiplier or private.server_noise_multiplier
            values = sum(array.size for array in update.values())
            raise ValueError(
                f"{error}: {too_much_noise(multiplier, self._norm, values)}, or lower task.learning_rate"
            ) from None
        per_value = CLIP_FLOP_PER_VALUE
        if private.noise_multiplier:
            draw = self._draws(parameters, batches)
            scale = private.noise_multiplier * self._norm
            update = {name: array + draw.normal(0.0, scale, array.shape) for name, array in update.items()}
            per_value += NOISE_FLOP_PER_VALUE
        return replace(
            found,
            parameters={
                name: (parameters[name] + array).astype(np.float32) for name, array in update.items()
            },
            flop=found.flop + per_value * sum(array.size for array in update.values()),
        )

    def _draws(self, parameters: Parameters, batches: Sequence[Arrays]) -> np.random.Generator:
        """Seeded by the run, the node, the model that it got and its examples: a round's training that is repeated
        draws the same noise. Without a seed from the operating system."""
        if not self._privacy.seeded:
            return np.random.default_rng()
        told = 0
        for array in (*parameters.values(), *(batch[IDS] for batch in batches)):
            told = zlib.crc32(np.ascontiguousarray(array).view(np.uint8).reshape(-1).data, told)
        return np.random.default_rng((self.config.seed, self.config.partition_index, told))


def clipped(update: Mapping[str, NDArray[np.float64]], norm: float) -> dict[str, NDArray[np.float64]]:
    """An update scaled to an L2 norm of at most ``norm``. Raises ValueError for one that is not finite."""
    length = math.sqrt(sum(float(np.square(array).sum()) for array in update.values()))
    if not math.isfinite(length):
        raise ValueError(f"the node's update has a norm of {length}; allowed are finite numbers")
    scale = min(1.0, norm / length) if length else 1.0
    return {name: array * scale for name, array in update.items()}


def too_much_noise(multiplier: float, norm: float, values: int) -> str:
    """Why a model of ``values`` parameters may not learn under noise of ``multiplier`` times the clipping ``norm``, and
    what to lower: noise is in every value, so that it is sqrt(values) times as long as in one."""
    return (
        f"task.privacy.noise_multiplier = {multiplier:g} times clipping_norm = {norm:g} in each of {values:,} "
        f"parameters is noise of length {multiplier * norm * math.sqrt(values):.3g} to an update of length {norm:g} "
        "at most; lower noise_multiplier (epsilon rises) or clipping_norm (epsilon stays), or give more nodes or a "
        "smaller model"
    )
