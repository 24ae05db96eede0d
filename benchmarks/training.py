"""Local training of the testbed's tasks compared with the usual PyTorch loop.

Claim:   on one thread, the testbed's step is at least as quick as nn.Module, torch.optim.SGD and tensors in
         memory, for the MLP and the CNN at batch 120; the peephole LSTM, written out, reaches more than the
         0.31 of torch's own LSTM that a cell-by-cell one does.
Cost:    --quick about half a minute on one core, otherwise about two minutes.
Command: python -m benchmarks.training [--quick] [--json]

Both loops take turns in one process, and CPU seconds are counted: a ratio is the median over such pairs, so
that other load of the machine has little effect. Both give the same model (tests/edge_node/tasks).
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks._command import against, measuring, parser, show
from edge_node.config import TaskConfig
from edge_node.tasks.process import configure_process
from edge_node.tasks.workload import TaskWorkload, build_workload
from edge_node.workload import Arrays
from protos.messages.terms import Stage

LEARNING_RATE = 0.05
MALLOC = {
    "MALLOC_MMAP_THRESHOLD_": "1073741824",
    "MALLOC_TRIM_THRESHOLD_": "1073741824",
    "MALLOC_TOP_PAD_": "67108864",
}
"""Large tensors keep their memory from batch to batch, as in the testbed's processes."""
GOALS = {"mlp_speed_ratio": 1.0, "cnn_speed_ratio": 1.0, "peephole_to_plain_lstm": 0.31}


@dataclass(frozen=True)
class Case:
    """One task, and the batches of one measurement."""

    task: str
    data: str
    batch_size: int
    batches: int


CASES = {
    "mlp": Case("mnist-mlp", "digits", 120, 40),
    "cnn": Case("mnist-cnn", "digits", 120, 6),
    "lstm": Case("shakespeare-lstm", "pydoc", 30, 1),
    "lstm_plain": Case("shakespeare-lstm-plain", "pydoc", 30, 1),
    "gpt": Case("tiny-gpt", "pydoc", 30, 1),
}


def plain_mlp() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 200), nn.ReLU(), nn.Linear(200, 10))


def plain_cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(512, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


def plain_loop(model: nn.Module, examples: Sequence[tuple[Tensor, Tensor]]) -> Callable[[], None]:
    """The usual training loop over float tensors that are already in memory."""
    optimiser = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)
    criterion = nn.CrossEntropyLoss()

    def run() -> None:
        for x, y in examples:
            optimiser.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimiser.step()

    return run


def our_loop(workload: TaskWorkload, batches: Sequence[Arrays]) -> Callable[[], None]:
    """The testbed's training, from parameters and stored batches to parameters."""
    parameters = workload.task.initial_parameters(0)

    def run() -> None:
        workload.train(parameters, batches, {})

    return run


def prepare(case: Case) -> tuple[TaskWorkload, list[Arrays]]:
    config = TaskConfig(
        name=case.task,
        data=case.data,
        batch_size=case.batch_size,
        batches_per_slot=case.batches,
        learning_rate=LEARNING_RATE,
        partitions=1,
        partition_index=0,
    )
    workload = build_workload(config)
    return workload, [workload.batch(k, Stage.DEVELOPMENT) for k in range(case.batches)]


def in_turns(loops: dict[str, Callable[[], None]], pairs: int) -> dict[str, list[float]]:
    """CPU seconds of each loop, ``pairs`` times in turn, after one of each that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in loops}
    for loop in loops.values():
        loop()
    for _ in range(pairs):
        for name, loop in loops.items():
            start = time.process_time()
            loop()
            seconds[name].append(time.process_time() - start)
    return seconds


def ratio(slower: Sequence[float], quicker: Sequence[float]) -> float:
    """How many times as quick the second is: median over pairs."""
    return statistics.median(a / b for a, b in zip(slower, quicker, strict=True))


def run(quick: bool) -> dict[str, Any]:
    """Measure everything; speeds in examples per CPU second, ratios above 1 where the testbed is quicker."""
    configure_process()
    pairs = 7 if quick else 25
    figures: dict[str, float] = {}
    for name, model in (("mlp", plain_mlp()), ("cnn", plain_cnn())):
        case = CASES[name]
        workload, batches = prepare(case)
        tensors = [workload.task.inputs(batch) for batch in batches]
        spent = in_turns({"plain": plain_loop(model, tensors), "ours": our_loop(workload, batches)}, pairs)
        examples = case.batches * case.batch_size
        for which, seconds in spent.items():
            figures[f"{name}_{which}_examples_per_s"] = examples / statistics.median(seconds)
        figures[f"{name}_speed_ratio"] = ratio(spent["plain"], spent["ours"])
    texts = ("lstm", "lstm_plain", "gpt")
    spent = in_turns({name: our_loop(*prepare(CASES[name])) for name in texts}, pairs)
    for name in texts:
        case = CASES[name]
        figures[f"{name}_sequences_per_s"] = case.batches * case.batch_size / statistics.median(spent[name])
    figures["peephole_to_plain_lstm"] = ratio(spent["lstm_plain"], spent["lstm"])
    return {"figures": figures, "goals": against(GOALS, figures, ">=")}


def main() -> None:
    arguments = parser(__doc__, "fewer repetitions: about half a minute").parse_args()
    if not MALLOC.items() <= os.environ.items():
        # The allocator reads its settings when a process starts.
        command = [sys.executable, "-m", "benchmarks.training", *sys.argv[1:]]
        os.execve(sys.executable, command, {**os.environ, **MALLOC})
    show(measuring(lambda _say: run(arguments.quick)), arguments.json)


if __name__ == "__main__":
    main()
