"""The network of a learned policy, in numpy: two hidden layers with tanh, the same for every node."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from carbon_data.types import DataError
from coordinator.policies.learned.action import ACTIONS
from coordinator.policies.learned.observation import OBSERVED

WEIGHTS, RECORD = "rl.safetensors", "rl.json"
"""Files of a training: weights of the actor, and how they came about."""
LAYERS = 3


@dataclass(frozen=True, slots=True)
class Network:
    """Weights of ``LAYERS`` layers: (out, in) and (out,) each."""

    layers: tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]

    @classmethod
    def read(cls, path: Path) -> Network:
        """From a safetensors file. Raises DataError for a file that cannot be read or holds another network."""
        try:
            found: dict[str, Any] = load_file(path)
        except (OSError, SafetensorError) as error:
            raise DataError(
                f"{path}: no weights can be read ({error}); give a file that a training wrote"
            ) from error
        names = [(f"weight_{k}", f"bias_{k}") for k in range(LAYERS)]
        if set(found) != {name for pair in names for name in pair}:
            raise DataError(f"{path} holds {sorted(found)}; expected weights and biases of {LAYERS} layers")
        layers = tuple((found[weight], found[bias]) for weight, bias in names)
        if any(weight.ndim != 2 or bias.shape != weight.shape[:1] for weight, bias in layers):
            shapes = {name: array.shape for name, array in sorted(found.items())}
            raise DataError(f"{path}: shapes {shapes}; a weight is (out, in) and its bias (out,)")
        if not all(np.isfinite(array).all() for array in found.values()):
            raise DataError(f"{path} holds weights that are not finite; train again")
        sizes = [(weight.shape[1], weight.shape[0]) for weight, _ in layers]
        if (
            sizes[0][0] != OBSERVED
            or sizes[-1][1] != ACTIONS
            or any(a[1] != b[0] for a, b in pairwise(sizes))
        ):
            raise DataError(
                f"{path}: layers of {sizes} (in, out); this version observes {OBSERVED} numbers of a node and acts "
                f"with {ACTIONS}: train again"
            )
        return cls(layers)

    def action(self, seen: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, ACTIONS) mean action for (N, OBSERVED)."""
        value = seen
        for number, (weight, bias) in enumerate(self.layers):
            value = value @ weight.T + bias
            if number + 1 < len(self.layers):
                value = np.tanh(value)
        return value
