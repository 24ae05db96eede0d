"""Federated training that can be stopped anywhere: FedAvg over real shares, its state kept as it goes.

The averaging loop of McMahan et al. (arXiv:1602.05629) over the testbed's own workloads, every server in every
round, parameters averaged by examples. Nothing here is a formula: rounds are counted while a model learns. The
state (global model, servers that have finished the round, the server at work and its next batch) is kept every
``KEEP_EVERY_S`` seconds and after every round; a training that is killed goes on from there, to the same result.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from carbon_data.files.whole import whole_file
from edge_node.config import TaskConfig
from edge_node.tasks.build import build_workload
from edge_node.tasks.evaluation import evaluate
from edge_node.tasks.process import configure_process
from edge_node.tasks.registry import find_task
from edge_node.tasks.workload import TaskWorkload, distinct_examples
from protos.messages.terms import Stage

if TYPE_CHECKING:
    from experiments.studies.fei.cell import TrainCell

Weights = dict[str, NDArray[np.float32]]
History = dict[str, Any]

KEEP_EVERY_S = 20.0
"""Seconds of work that an interruption may cost."""
CHUNK_FLOP = 2e11
"""Operations between two looks at the clock: some seconds on one core."""
STAGES = ("development", "recycling")


@dataclass
class Local:
    """One server's work of a round."""

    weights: Weights
    next_batch: int = 0
    """Of ``local_epochs * batches_per_round``."""
    loss_sum: float = 0.0
    num_examples: int = 0
    flop: float = 0.0

    def numbers(self) -> dict[str, float]:
        return {name: value for name, value in vars(self).items() if name != "weights"}


@dataclass
class State:
    """All that a training needs to go on."""

    weights: Weights
    history: History = field(default_factory=lambda: {name: [] for name in STAGES})
    locals: list[Local] = field(default_factory=list)
    """Servers of the round under way; all but the last have finished."""


def train(cell: TrainCell, scratch: Path, tell: Callable[[str, float], None] | None = None) -> dict[str, Any]:
    """Train ``cell`` to its target, then (``recycle``) to the same target on the second task.

    Args:
        cell: What is trained.
        scratch: File of the state; taken up when it exists, written while the training runs.
        tell: Called with words and the examples trained so far (progress).

    Returns test accuracy and loss after every round of both, counted work, and bytes.
    """
    configure_process()
    task = find_task(cell.task)
    state = _resume(scratch) or State(task.initial_parameters(cell.seed))
    keeper = _Keeper(scratch, tell or (lambda _text, _examples: None))
    _until_target(cell, cell.data, state, "development", keeper)
    reached = _reached(state.history["development"], cell.target_fraction)
    if cell.recycle and reached:
        _until_target(cell, task.recycling_data(cell.data), state, "recycling", keeper)
    first = share_of(cell, cell.data, 0)
    prepared = first.prepare([first.batch(0, Stage.PREPARATION)])
    flop = task.flop()
    return {
        "cell": asdict(cell),
        "development": state.history["development"],
        "recycling": state.history["recycling"],
        "reached": reached,
        "diverged": state.history.get("diverged", ""),
        "train_flop_per_example": flop.train,
        "serve_flop_per_request": task.serve_flop(),
        "prepare_flop_per_example": prepared / cell.batch_size,
        "bytes_per_example": first.cost(Stage.DEVELOPMENT).bytes_per_batch / cell.batch_size,
        "model_bytes": int(sum(array.nbytes for array in state.weights.values())),
        "parameters": int(sum(array.size for array in state.weights.values())),
        "num_train": first.data.num_train,
    }


def share_of(cell: TrainCell, data: str, index: int) -> TaskWorkload:
    """What server ``index`` of a training holds and does."""
    return build_workload(
        TaskConfig(
            name=cell.task,
            data=data,
            batch_size=cell.batch_size,
            batches_per_slot=cell.batches_per_round,
            local_epochs=1,
            learning_rate=cell.learning_rate,
            partition=cell.partition,
            partitions=cell.partitions,
            partition_index=index,
            seed=cell.seed,
        )
    )


def _until_target(cell: TrainCell, data: str, state: State, stage: str, keeper: _Keeper) -> None:
    rounds: list[dict[str, float]] = state.history[stage]
    servers = [share_of(cell, data, index) for index in range(cell.edges)]
    while len(rounds) < cell.max_rounds and not _reached(rounds, cell.target_fraction):
        for index, server in enumerate(servers):
            if index < len(state.locals) - 1:
                continue
            if index == len(state.locals):
                state.locals.append(Local(state.weights))
            _work(cell, server, len(rounds), state, stage, keeper)
        done, state.locals = state.locals, []
        state.weights = average([(one.weights, one.num_examples) for one in done])
        seen = evaluate(cell.task, data, state.weights, cell.test_examples)
        if not np.isfinite(seen.loss):
            # Not a crash of the study: the row is missing, and says why.
            state.history["diverged"] = f"{stage} diverged in round {len(rounds) + 1}"
            break
        steps = cell.local_epochs * cell.batches_per_round
        rounds.append(
            {
                "accuracy": seen.accuracy,
                "loss": seen.loss,
                "train_loss": float(np.mean([one.loss_sum / steps for one in done])),
                "flop": float(sum(one.flop for one in done)),
            }
        )
        keeper.keep(state)


def _work(
    cell: TrainCell, server: TaskWorkload, number: int, state: State, stage: str, keeper: _Keeper
) -> None:
    """The last of ``state.locals`` from its next batch to the end of its round, in chunks."""
    local, first = state.locals[-1], number * cell.batches_per_round
    batches = [server.batch(first + k, Stage.DEVELOPMENT) for k in range(cell.batches_per_round)]
    local.num_examples = distinct_examples(batches)
    steps = cell.local_epochs * cell.batches_per_round
    chunk = max(1, int(CHUNK_FLOP / (cell.batch_size * server.task.flop().train)))
    while local.next_batch < steps:
        stop = min(steps, local.next_batch + chunk)
        part = [batches[k % cell.batches_per_round] for k in range(local.next_batch, stop)]
        done = server.train(local.weights, part, {})
        local.weights = dict(done.parameters)
        local.loss_sum += done.mean_loss * len(part)
        local.flop += done.flop
        local.next_batch = stop
        keeper.look(cell, state, stage)


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


class _Keeper:
    """Writes the state now and then, and says where the training stands."""

    def __init__(self, scratch: Path, tell: Callable[[str, float], None]) -> None:
        self.scratch, self.tell = scratch, tell
        self.kept = time.monotonic()

    def look(self, cell: TrainCell, state: State, stage: str) -> None:
        steps = cell.local_epochs * cell.batches_per_round
        share = (len(state.locals) - 1 + state.locals[-1].next_batch / steps) / cell.edges
        rounds = state.history[stage]
        reached = f", {100 * rounds[-1]['accuracy']:.1f} % so far" if rounds else ""
        done = sum(len(state.history[name]) for name in STAGES) + share
        self.tell(f"{stage}, round {len(rounds) + 1} ({share:.0%}){reached}", done * cell.round_examples)
        if time.monotonic() - self.kept >= KEEP_EVERY_S:
            self.keep(state)

    def keep(self, state: State) -> None:
        self.kept = time.monotonic()
        about = {"history": state.history, "locals": [one.numbers() for one in state.locals]}
        arrays: dict[str, Any] = {f"global:{name}": array for name, array in state.weights.items()}
        for k, one in enumerate(state.locals):
            arrays |= {f"{k}:{name}": array for name, array in one.weights.items()}
        arrays["about"] = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
        with whole_file(self.scratch) as draft, draft.open("wb") as stream:
            np.savez(stream, **arrays)


def _resume(scratch: Path) -> State | None:
    if not scratch.exists():
        return None
    with np.load(scratch, allow_pickle=False) as stored:
        about = json.loads(stored["about"].tobytes())
        weights: dict[str, Weights] = {}
        for key in stored.files:
            whose, _, name = key.partition(":")
            if name:
                weights.setdefault(whose, {})[name] = stored[key]
    return State(
        weights["global"],
        about["history"],
        [Local(weights[str(k)], **numbers) for k, numbers in enumerate(about["locals"])],
    )
