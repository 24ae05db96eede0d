"""One training as a job of the sweep engine: its key, its expected cost, its result."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.studies.fei import estimate, federated
from experiments.studies.fei.cell import TrainCell
from experiments.studies.fei.digests import key_of
from experiments.studies.fei.engine import tell


@dataclass(frozen=True, slots=True)
class Training:
    """The job that runs ``cell``."""

    cell: TrainCell

    @property
    def weight(self) -> float:
        """Expected CPU seconds (experiments.studies.fei.estimate)."""
        return estimate.cpu_s(self.cell)

    def key(self) -> str:
        return key_of(self.cell)

    def compute(self, scratch: Path) -> dict[str, Any]:
        cell = self.cell
        per_example = self.weight / (estimate.rounds(cell).count * cell.round_examples)
        return federated.train(
            cell, scratch, lambda text, examples: tell(scratch, text, examples * per_example)
        )
