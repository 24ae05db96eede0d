"""Trainings that are judged: that of the weights that ship with the policy, those of other seeds, and given ones.

``seed-S.safetensors`` and ``seed-S.json`` beside this file are trainings with the settings of the one that ships and
another seed. They are here for the spread between trainings alone: none of them took or takes the place of the first
one for its figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carbon_data.types import DataError
from coordinator.policies.learned.network import WEIGHTS
from coordinator.policies.learned.policy import SHIPPED
from coordinator.policies.learned.record import DIGEST, record_of

SEEDS = tuple(sorted(Path(__file__).parent.glob("seed-*.safetensors")))
"""Weights of the other seeds."""


@dataclass(frozen=True, slots=True)
class Training:
    """Weights, and what their record says."""

    name: str
    kind: str
    """ships, seed or given; trainings of the first two kinds differ in their seed alone."""
    weights: Path
    record: dict[str, Any]

    @property
    def sha256(self) -> str:
        """Of the weights."""
        return str(self.record[DIGEST])


def trainings(given: Sequence[Path] = ()) -> list[Training]:
    """The one that ships, those of other seeds, and those in the folders ``given``, as a training writes them. Raises
    DataError for weights that cannot be read or are not their record's, and for a folder that is given twice."""
    if len({folder.resolve() for folder in given}) < len(given):
        raise DataError(f"got the folders {', '.join(map(str, given))}; give each once")
    return [
        _training(SHIPPED, "ships"),
        *(_training(path, "seed") for path in SEEDS),
        *(_training(folder / WEIGHTS, "given", str(folder)) for folder in given),
    ]


def _training(weights: Path, kind: str, name: str = "") -> Training:
    record = record_of(weights)
    return Training(name or f"seed {record['seed']}", kind, weights, record)
