"""Trainings that were run before and come with the package, each with its origin.

``--quick`` cannot train the largest rows in ten minutes, nor any row from five seeds. Where a row was trained to its
end before, at the paper's size or smaller (``Reduction.live``), its rounds are here: real trainings, named as shipped
in every row that uses them. They are used when the data's hash is the same and today's code takes the same first
steps. ``--full`` and ``--train`` ignore them. ``experiments.studies.fei.ship`` writes the file.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np
import torch

from edge_node.tasks.process import configure_process
from edge_node.tasks.registry import find_task
from experiments.studies.fei.cell import TrainCell
from experiments.studies.fei.digests import code_digest, data_digest
from experiments.studies.fei.federated import share_of
from protos.messages.terms import Stage

FILE = "shipped.json"
_FREE = ("recycle", "max_rounds")
"""Fields in which a shipped training may be more than what is asked for."""
PROBE_STEPS = 2
"""The second loss is that of weights which one backward pass and one update made."""
PROBE_TOLERANCE = 1e-3
"""Relative: other processors and libraries round otherwise, other mathematics is farther off."""


@lru_cache(maxsize=1)
def trainings() -> list[dict[str, Any]]:
    """All shipped trainings: results as of experiments.studies.fei.federated.train, with ``origin``."""
    text = resources.files("experiments.studies.fei").joinpath(FILE).read_text(encoding="utf-8")
    found: list[dict[str, Any]] = json.loads(text)
    return found


def find(cell: TrainCell) -> dict[str, Any] | None:
    """The shipped training of ``cell``, with any data; None when there is none."""
    asked = asdict(cell)
    for result in trainings():
        have = result["cell"]
        same = all(have[name] == value for name, value in asked.items() if name not in _FREE)
        if same and have["recycle"] >= asked["recycle"]:
            return result
    return None


def usable(cell: TrainCell) -> dict[str, Any] | None:
    """As ``find``, if it was trained on the very data at hand, in the way that today's code trains."""
    found = find(cell)
    if found is None or found["origin"]["data"] != data_digest(cell.task, cell.data):
        return None
    return found if _same_code(found) or same_steps(cell.task, cell.batch_size) else None


def origin(result: dict[str, Any]) -> str:
    """Where a shipped training that is ``usable`` comes from, in words."""
    said = f"trained to its end on {result['origin']['date']}, not now"
    if _same_code(result):
        return said
    return f"{said}; training code or torch have changed since, and take the same first steps"


def probe(cell: TrainCell) -> list[float]:
    """Losses of the first server's first mini-batches, from the initial model: what code does, in numbers."""
    configure_process()
    weights: Any = find_task(cell.task).initial_parameters(cell.seed)
    server = share_of(cell, cell.data, 0)
    losses = []
    for k in range(PROBE_STEPS):
        done = server.train(weights, [server.batch(k, Stage.DEVELOPMENT)], {})
        weights = done.parameters
        losses.append(done.mean_loss)
    return losses


def _same_code(result: dict[str, Any]) -> bool:
    return bool(result["origin"]["code"] == code_digest() and result["origin"]["torch"] == torch_version())


@lru_cache(maxsize=64)
def same_steps(task: str, batch_size: int) -> bool:
    """Whether today's code takes the first steps of a shipped training; one stands for all of its task and batch."""
    result = next(
        r for r in trainings() if (r["cell"]["task"], r["cell"]["batch_size"]) == (task, batch_size)
    )
    today = probe(TrainCell(**result["cell"]))
    return bool(np.allclose(today, result["origin"]["probe"], rtol=PROBE_TOLERANCE, atol=0.0))


def torch_version() -> str:
    """Version without the build, which says where it was got."""
    return str(torch.__version__).partition("+")[0]
