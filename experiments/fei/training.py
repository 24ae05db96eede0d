"""Real federated training of one cell: FedAvg over real shares until a target accuracy, round by round.

The averaging loop of McMahan et al. (arXiv:1602.05629) over the testbed's own workloads, every server in every
round, parameters averaged by examples. Nothing here is a formula: rounds are counted while a model learns. A
cell that is interrupted goes on from its last finished round.
"""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.fei.engine import content_key, digest_files
from experiments.fei.spec import SMALL_BATCH, BatchReading, Model, Reduction

_TASK_SOURCES = (
    "base.py",
    "evaluation.py",
    "flops.py",
    "images.py",
    "mnist_cnn.py",
    "mnist_mlp.py",
    "partition.py",
    "peephole.py",
    "shakespeare_lstm.py",
    "text.py",
    "workload.py",
)
Weights = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class TrainCell:
    """One training; the same fields give the same rounds anywhere."""

    task: str
    data: str
    partition: str
    edges: int
    partitions: int
    """Shares the data are cut into; each server holds one, so ``edges / partitions`` of the data are used."""
    batch_size: int
    batches_per_round: int
    """Mini-batches of one server in one epoch of a round."""
    local_epochs: int
    learning_rate: float
    target_fraction: float
    max_rounds: int
    test_examples: int | None
    recycle: bool
    """Whether the trained model is afterwards transferred to the second task, for the recycling stage."""
    seed: int = 0

    @property
    def weight(self) -> float:
        """Expected cost: work of a round, more rounds where there are more servers, by model."""
        per_example = {"mnist-mlp": 1.0, "mnist-cnn-62": 10.0}.get(self.task, 600.0)
        round_examples = self.edges * self.batch_size * self.batches_per_round * self.local_epochs
        return per_example * round_examples * (2.0 if self.recycle else 1.0) * (2 + self.edges)

    def key(self) -> str:
        return content_key("training", asdict(self), _code_digest(), data_digest(self.task, self.data))

    def compute(self, scratch: Path) -> dict[str, Any]:
        return train(self, scratch)


@lru_cache(maxsize=1)
def _code_digest() -> str:
    tasks = resources.files("edge_node.tasks")
    own = [inspect.getsource(function) for function in (train, average, rounds_to, _config, _until_target)]
    return content_key(digest_files(tasks / name for name in _TASK_SOURCES), own)


@lru_cache(maxsize=8)
def data_digest(task: str, data: str) -> str:
    """sha256 over training and test arrays of a data set."""
    from edge_node.tasks.registry import find_task
    from edge_node.tasks.workload import share_digest

    found = find_task(task).dataset(data)
    return content_key(
        share_digest(found.train, np.arange(found.num_train)),
        share_digest(found.test, np.arange(found.num_test)),
    )


def cell_for(
    model: Model,
    data: str,
    num_train: int,
    reading: BatchReading,
    servers: int,
    edges: int,
    reduction: Reduction,
    *,
    recycle: bool = False,
) -> TrainCell:
    """The training behind one row of Table I, in one reading, made smaller by ``reduction``."""
    fraction = reduction.examples_fraction
    partitions = max(edges, round(edges / fraction))
    share = -(-num_train // partitions)
    column_b = model.paper_batch(servers)
    if reading is BatchReading.AS_PRINTED:
        batch_size = min(max(1, round(column_b * fraction)), share)
        batches, epochs = -(-share // batch_size), reduction.epochs
    else:
        batch_size, epochs = reduction.small_batch, 1
        batches = max(1, round(column_b * fraction))
    return TrainCell(
        task=model.task,
        data=data,
        partition=model.partition,
        edges=edges,
        partitions=partitions,
        batch_size=batch_size,
        batches_per_round=batches,
        local_epochs=epochs,
        learning_rate=model.learning_rate,
        target_fraction=reduction.target_fraction or model.target_fraction,
        max_rounds=reduction.max_rounds,
        test_examples=reduction.test_examples,
        recycle=recycle,
    )


def full_round_examples(model: Model, num_train: int, reading: BatchReading, servers: int, edges: int) -> int:
    """Examples that one server passes through its model in one round of the paper's size, counted with repeats."""
    column_b = model.paper_batch(servers)
    if reading is BatchReading.BATCH_50:
        return SMALL_BATCH * column_b
    share = -(-num_train // edges)
    size = min(column_b, share)
    return 50 * size * -(-share // size)


def train(cell: TrainCell, scratch: Path) -> dict[str, Any]:
    """Train ``cell`` to its target, then (``recycle``) to the same target on the second task.

    Returns test accuracy and loss after every round of both, counted work, and bytes. ``scratch`` takes the state
    after each round, and gives it back to a later call.
    """
    from edge_node.tasks.process import configure_process
    from edge_node.tasks.registry import find_task
    from edge_node.tasks.workload import build_workload
    from protos.messages import Stage

    configure_process()
    task = find_task(cell.task)
    state = _resume(scratch) or (task.initial_parameters(cell.seed), {"development": [], "recycling": []})
    weights, history = state
    first = build_workload(_config(cell, cell.data, 0))
    weights = _until_target(cell, cell.data, weights, history, "development", scratch)
    reached = _reached(history["development"], cell.target_fraction)
    if cell.recycle and reached:
        second = task.recycling_data(cell.data)
        weights = _until_target(cell, second, weights, history, "recycling", scratch)
    prepared = first.prepare([first.batch(0, Stage.PREPARATION)])
    flop = task.flop()
    return {
        "cell": asdict(cell),
        "development": history["development"],
        "recycling": history["recycling"],
        "reached": reached,
        "diverged": history.get("diverged", ""),
        "train_flop_per_example": flop.train,
        "serve_flop_per_request": task.serve_flop(),
        "prepare_flop_per_example": prepared / cell.batch_size,
        "bytes_per_example": first.cost(Stage.DEVELOPMENT).bytes_per_batch / cell.batch_size,
        "model_bytes": int(sum(array.nbytes for array in weights.values())),
        "parameters": int(sum(array.size for array in weights.values())),
        "num_train": first.data.num_train,
    }


def _config(cell: TrainCell, data: str, index: int) -> Any:
    from edge_node.config import TaskConfig

    return TaskConfig(
        name=cell.task,
        data=data,
        batch_size=cell.batch_size,
        batches_per_slot=cell.batches_per_round,
        local_epochs=cell.local_epochs,
        learning_rate=cell.learning_rate,
        partition=cell.partition,
        partitions=cell.partitions,
        partition_index=index,
        seed=cell.seed,
    )


def _until_target(
    cell: TrainCell, data: str, weights: Weights, history: dict[str, Any], name: str, scratch: Path
) -> Weights:
    from edge_node.tasks.evaluation import evaluate
    from edge_node.tasks.workload import build_workload
    from protos.messages import Stage

    rounds: list[dict[str, float]] = history[name]
    servers = [build_workload(_config(cell, data, index)) for index in range(cell.edges)]
    while len(rounds) < cell.max_rounds and not _reached(rounds, cell.target_fraction):
        first = len(rounds) * cell.batches_per_round
        results = []
        for server in servers:
            batches = [server.batch(first + k, Stage.DEVELOPMENT) for k in range(cell.batches_per_round)]
            results.append(server.train(weights, batches, {}))
        weights = average([(r.parameters, r.num_examples) for r in results])
        seen = evaluate(cell.task, data, weights, cell.test_examples)
        if not np.isfinite(seen.loss):
            # Not a crash of the study: the row is missing, and says why.
            history["diverged"] = f"{name} diverged in round {len(rounds) + 1}"
            break
        rounds.append(
            {
                "accuracy": seen.accuracy,
                "loss": seen.loss,
                "train_loss": float(np.mean([r.mean_loss for r in results])),
                "flop": float(sum(r.flop for r in results)),
            }
        )
        _keep(scratch, weights, history)
    return weights


def average(results: list[tuple[Mapping[str, NDArray[np.float32]], int]]) -> Weights:
    """FedAvg: parameters weighted by examples, summed in double precision."""
    total = float(sum(examples for _, examples in results))
    return {
        name: np.asarray(
            sum(np.asarray(p[name], dtype=np.float64) * (examples / total) for p, examples in results),
            dtype=np.float32,
        )
        for name in results[0][0]
    }


def rounds_to(rounds: list[dict[str, float]], target_fraction: float) -> int | None:
    """Rounds after which the test accuracy first reached the target; None when it never did."""
    return next((k + 1 for k, r in enumerate(rounds) if r["accuracy"] >= target_fraction), None)


def _reached(rounds: list[dict[str, float]], target_fraction: float) -> bool:
    return rounds_to(rounds, target_fraction) is not None


def _keep(scratch: Path, weights: Weights, history: dict[str, Any]) -> None:
    draft = scratch.with_name(f"{scratch.name}.{os.getpid()}")
    with draft.open("wb") as stream:
        text = np.frombuffer(json.dumps(history).encode(), dtype=np.uint8)
        arrays: dict[str, Any] = {**weights, "_history": text}
        np.savez(stream, **arrays)
    os.replace(draft, scratch)


def _resume(scratch: Path) -> tuple[Weights, dict[str, Any]] | None:
    if not scratch.exists():
        return None
    with np.load(scratch, allow_pickle=False) as stored:
        history = json.loads(stored["_history"].tobytes())
        return {name: stored[name] for name in stored.files if name != "_history"}, history
