"""Local learning of ten nodes in two processes compared with the bare sequential loop of PyTorch, and learning on rows.

Claim:   MLP at least 3.2 times the bare loop at batch 120 and 4.8 at 32, CNN 2.9 (5 with bfloat16), LSTM 2.1 (5 with
         bfloat16); a round of ten nodes over Ray, coordinator and ledger included, takes at most 0.6 of it. On a
         virtual fleet of 1,000 nodes a client-round with books takes at most 1.0 of the bare loop's CPU, with DETA's
         decisions 1.3, 0.75 of pfl's, and a tenth of the wall time of Flower's simulation (_rows.py).
Cost:    --quick about two minutes on two cores, otherwise about twenty.
Command: python -m benchmarks.learning [--quick] [--json]

Bare: one thread, nn.Module, SGD by hand, tensors in memory, no DataLoader, in a process of its own with nothing set.
Ours is what a node calls, from stored batches and parameters to parameters. Rounds take turns; those of the two
processes run at the same time. Ratios are medians of CPU seconds (the busier of the two processes counts), so that
other load of the machine has little effect; those of wall seconds are beside them. The round over Ray is measured in
wall seconds; beside it, as ``ray_round_cpu_ratio``, the CPU seconds of all its processes, halved: what it would take
with two cores to itself.

``*_limit``: what two processes would reach that do nothing but products (_products.py): the MLP's two large ones in
float32, the LSTM's in bfloat16, of which those of the state wait for the time before.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks import _products as only
from benchmarks import _rows as rows
from benchmarks import fleet
from benchmarks._command import against, measuring, parser, show
from coordinator.adapters.flower_server import logging_to
from edge_node.config import TaskConfig
from edge_node.tasks import shakespeare_lstm
from edge_node.tasks.build import build_workload
from edge_node.tasks.data.text import LENGTH
from edge_node.tasks.evaluation import evaluate
from edge_node.tasks.images import PIXELS
from edge_node.tasks.mnist_mlp import HIDDEN
from edge_node.tasks.process import configure_process
from edge_node.tasks.registry import find_task
from edge_node.tasks.text import VOCABULARY
from edge_node.tasks.workload import TaskWorkload
from experiments.fleet.ray_fleet import RayFleet
from protos.messages.terms import Stage

NODES = 10
PROCESSES = 2
STAGE = Stage.DEVELOPMENT.value
Precision = Literal["float32", "bfloat16"]
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")
FASTER = {
    "mlp_120_ratio": 3.2,
    "mlp_32_ratio": 4.8,
    "cnn_ratio": 2.9,
    "cnn_bfloat16_ratio": 5.0,
    "lstm_ratio": 2.1,
    "lstm_bfloat16_ratio": 5.0,
}
ROUND = {"ray_round_ratio": 0.6}
LIMITED: dict[str, Precision] = {"mlp_120": "float32", "mlp_32": "float32", "lstm": "bfloat16"}
"""Cases whose products alone are measured, and in what: where a goal is near or above what they allow."""


@dataclass(frozen=True)
class Case:
    """A task, and what a node does of it in a round."""

    task: str
    data: str
    batch_size: int
    batches: int
    learning_rate: float = 0.05


CASES = {
    "mlp_120": Case("mnist-mlp", "digits", 120, 50),
    "mlp_32": Case("mnist-mlp", "digits", 32, 100),
    "cnn": Case("mnist-cnn", "digits", 120, 5),
    "lstm": Case("shakespeare-lstm-plain", "pydoc", 30, 1),
    "peephole": Case("shakespeare-lstm", "pydoc", 30, 1),
}


class _Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(258, 8)
        self.lstm = nn.LSTM(8, 256, 2, batch_first=True)
        self.output = nn.Linear(256, 258)

    def forward(self, tokens: Tensor) -> Tensor:
        outputs, _ = self.lstm(self.embedding(tokens))
        return self.output(outputs).transpose(1, 2)


def plain_model(task: str) -> nn.Module:
    """The task's model as it is usually written."""
    if task == "mnist-mlp":
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 200), nn.ReLU(), nn.Linear(200, 10))
    if task == "mnist-cnn":
        first = (nn.Conv2d(1, 16, 5), nn.ReLU(), nn.MaxPool2d(2))
        second = (nn.Conv2d(16, 32, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
        dense = (nn.Linear(512, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))
        return nn.Sequential(*first, *second, *dense)
    return _Recurrent()


def workload_of(case: Case, node: int, precision: Precision = "float32") -> TaskWorkload:
    return build_workload(
        TaskConfig(
            name=case.task,
            data=case.data,
            batch_size=case.batch_size,
            batches_per_slot=case.batches,
            learning_rate=case.learning_rate,
            precision=precision,
            partitions=NODES,
            partition_index=node,
        )
    )


def bare_round(case: Case) -> Callable[[], None]:
    """A round of all nodes one after the other, as the usual loop does it."""
    model, criterion = plain_model(case.task), nn.CrossEntropyLoss()
    start = [tensor.detach().clone() for tensor in model.parameters()]
    nodes = []
    for node in range(NODES):
        workload = workload_of(case, node)
        nodes.append([workload.task.inputs(workload.batch(k, STAGE)) for k in range(case.batches)])

    def run() -> None:
        for examples in nodes:
            with torch.no_grad():
                for tensor, first in zip(model.parameters(), start, strict=True):
                    tensor.copy_(first)
            for x, y in examples:
                loss = criterion(model(x), y)
                model.zero_grad()
                loss.backward()
                with torch.no_grad():
                    for tensor in model.parameters():
                        assert tensor.grad is not None
                        tensor.sub_(case.learning_rate * tensor.grad)

    return run


def our_round(case: Case, precision: Precision, nodes: Sequence[int]) -> Callable[[], None]:
    """A round of these nodes, each from its stored examples and the model's arrays to arrays."""
    workloads = [workload_of(case, node, precision) for node in nodes]
    start = find_task(case.task).initial_parameters(0)
    done = 0

    def run() -> None:
        nonlocal done
        for workload in workloads:
            numbers = range(done * case.batches, (done + 1) * case.batches)
            workload.train(start, [workload.batch(k, STAGE) for k in numbers], {})
        done += 1

    return run


def products(case: Case, precision: Precision) -> Callable[[], None]:
    """The products of one process's nodes in a round, and nothing else."""
    if case.task == "mnist-mlp":
        step = only.perceptron(case.batch_size, PIXELS, HIDDEN)
    else:
        widths = (shakespeare_lstm.EMBEDDED, *[shakespeare_lstm.HIDDEN] * shakespeare_lstm.LAYERS)
        dtype = getattr(torch, precision)
        step = only.recurrent(case.batch_size, LENGTH, widths, VOCABULARY, dtype)

    def run() -> None:
        with torch.no_grad():
            for _ in range(case.batches * NODES // PROCESSES):
                step()

    return run


def federated(case: Case, precision: Precision, rounds: int) -> tuple[float, float]:
    """Test loss and accuracy after ``rounds`` of federated averaging."""
    weights: Any = find_task(case.task).initial_parameters(0)
    workloads = [workload_of(case, node, precision) for node in range(NODES)]
    for number in range(rounds):
        results = []
        for workload in workloads:
            numbers = range(number * case.batches, (number + 1) * case.batches)
            results.append(workload.train(weights, [workload.batch(k, STAGE) for k in numbers], {}))
        parts = [result.parameters for result in results]
        weights = {name: np.mean([part[name] for part in parts], axis=0) for name in weights}
    seen = evaluate(case.task, case.data, weights, 500)
    return seen.loss, seen.accuracy


def _work(pipe: Connection, rank: int | None) -> None:
    """A process that runs what it is asked for; ``rank``: of our processes, none of the bare one."""
    torch.set_num_threads(1)
    if rank is not None:
        configure_process()
    ready: dict[tuple[Any, ...], Callable[[], Any]] = {}
    while (asked := pipe.recv()) is not None:
        what, name, *more = asked
        if asked not in ready:
            if what == "bare":
                ready[asked] = bare_round(CASES[name])
            elif what == "ours":
                assert rank is not None
                ready[asked] = our_round(CASES[name], more[0], range(rank, NODES, PROCESSES))
            elif what == "products":
                ready[asked] = products(CASES[name], more[0])
            else:
                ready[asked] = partial(federated, *more)
            ready[asked]() if what != "federated" else None
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        result = ready[asked]()
        pipe.send((time.perf_counter() - wall_s, time.process_time() - cpu_s, result))


class Workers:
    """The bare process and our two."""

    def __init__(self, stack: ExitStack) -> None:
        context = multiprocessing.get_context("spawn")
        pipes = []
        with _nothing_set():
            for rank in (None, *range(PROCESSES)):
                ours, theirs = context.Pipe()
                process = context.Process(target=_work, args=(theirs, rank), daemon=True)
                process.start()
                stack.callback(process.join)
                pipes.append(ours)
        for pipe in pipes:
            stack.callback(pipe.send, None)
        self._bare, self._ours = pipes[0], pipes[1:]

    def bare(self, name: str) -> tuple[float, float]:
        """Wall and CPU seconds of a bare round."""
        self._bare.send(("bare", name))
        wall_s, cpu_s, _ = self._bare.recv()
        return wall_s, cpu_s

    def ours(self, *asked: Any) -> tuple[float, float]:
        """Wall and CPU seconds of the slower of our processes, which run at the same time."""
        done = self._at_once([asked] * PROCESSES)
        return max(wall_s for wall_s, _, _ in done), max(cpu_s for _, cpu_s, _ in done)

    def federated(self, case: Case, rounds: int) -> list[tuple[float, float]]:
        """Loss and accuracy after ``rounds`` in float32 and in bfloat16."""
        return [
            result
            for _, _, result in self._at_once(
                [("federated", case.task, case, precision, rounds) for precision in PRECISIONS]
            )
        ]

    def _at_once(self, asked: Sequence[tuple[Any, ...]]) -> list[Any]:
        for pipe, one in zip(self._ours, asked, strict=True):
            pipe.send(one)
        return [pipe.recv() for pipe in self._ours]


@contextmanager
def _nothing_set() -> Iterator[None]:
    """Without settings of the allocator that this process was started with."""
    before = {key: os.environ.pop(key) for key in list(os.environ) if key.startswith("MALLOC_")}
    try:
        yield
    finally:
        os.environ.update(before)


def compare(workers: Workers, name: str, rounds: int) -> dict[str, float]:
    """Ratios of a case, in CPU seconds and in wall seconds."""
    case = CASES[name]
    bare, ours = [], {precision: [] for precision in PRECISIONS}  # type: ignore[var-annotated]
    plain: list[Any] = []
    limit: list[Any] = []
    for _ in range(rounds):
        if name == "peephole":
            plain.append(workers.ours("ours", "lstm", "float32"))
        else:
            bare.append(workers.bare(name))
        for precision, spent in ours.items():
            spent.append(workers.ours("ours", name, precision))
        if name in LIMITED:
            limit.append(workers.ours("products", name, LIMITED[name]))
    if name == "peephole":
        return {
            "peephole_to_plain_lstm": _ratio(plain, ours["float32"], 1),
            "peephole_bfloat16_to_float32": _ratio(ours["float32"], ours["bfloat16"], 1),
        }
    examples = NODES * case.batches * case.batch_size
    figures = {f"{name}_bare_examples_per_s": examples / statistics.median(cpu_s for _, cpu_s in bare)}
    for precision, spent in ours.items():
        which = f"{name}_ratio" if precision == "float32" else f"{name}_{precision}_ratio"
        figures[which] = _ratio(bare, spent, 1)
        figures[f"{which}_wall"] = _ratio(bare, spent, 0)
    if limit:
        which = f"{name}_limit" if LIMITED[name] == "float32" else f"{name}_{LIMITED[name]}_limit"
        figures[which] = _ratio(bare, limit, 1)
    return figures


def _ratio(
    slower: Sequence[tuple[float, float]], quicker: Sequence[tuple[float, float]], which: int
) -> float:
    return statistics.median(a[which] / b[which] for a, b in zip(slower, quicker, strict=True))


def effect_of_rounding(workers: Workers, quick: bool) -> dict[str, float]:
    """Test loss and accuracy of both precisions after the same rounds."""
    cases = {"mlp": Case("mnist-mlp", "digits", 24, 6), "cnn": Case("mnist-cnn", "digits", 24, 6)}
    if not quick:
        cases["lstm"] = Case("shakespeare-lstm-plain", "pydoc", 30, 2, learning_rate=2.0)
    figures = {}
    for name, case in cases.items():
        exact, rounded = workers.federated(case, 10)
        figures[f"{name}_test_loss"], figures[f"{name}_test_accuracy"] = exact
        figures[f"{name}_bfloat16_test_loss"], figures[f"{name}_bfloat16_test_accuracy"] = rounded
    return figures


def measure_round(workers: Workers, quick: bool, say: Callable[[str], None]) -> dict[str, float]:
    """A round over Ray, beside the same training in the bare loop."""
    own, bare = [], []
    ended_s = math.nan

    def bare_after_a_round() -> float:
        nonlocal ended_s
        own.append(tree_cpu_s() - ended_s)
        wall_s, cpu_s = workers.bare("mlp_120")
        bare.append(cpu_s)
        ended_s = tree_cpu_s()
        return wall_s

    with logging_to(Path(os.devnull)), RayFleet(NODES, PROCESSES) as started:
        pairs = fleet.measure(started, "local", 5 if quick else 25, say, bare_after_a_round)
    skipped = 1 + fleet.WARM_UP
    cpu = [o / PROCESSES / b for o, b in zip(own[skipped:], bare[skipped:], strict=True)]
    return {
        "ray_round_s": statistics.median(pairs.fleet_s),
        "ray_round_ratio": pairs.ratio(),
        "ray_round_cpu_ratio": statistics.median(cpu),
    }


def tree_cpu_s() -> float:
    """CPU seconds of this process and all below it that live."""
    ticks: dict[int, tuple[int, int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended
        ticks[int(path.parent.name)] = (int(fields[1]), int(fields[11]) + int(fields[12]))
    found = {os.getpid()}
    while more := {pid for pid, (parent, _) in ticks.items() if parent in found} - found:
        found |= more
    return sum(ticks[pid][1] for pid in found) / os.sysconf("SC_CLK_TCK")


def run(quick: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure everything."""
    figures: dict[str, float] = {}
    with ExitStack() as stack:
        workers = Workers(stack)
        for name in CASES:
            say(name)
            figures |= compare(workers, name, 3 if quick else 15)
        say("effect of bfloat16 on accuracy")
        figures |= effect_of_rounding(workers, quick)
        say("a round over Ray")
        figures |= measure_round(workers, quick, say)
    on_rows, row_goals, deferred = rows.measure(quick, say)
    goals = against(FASTER, figures, ">=") | against(ROUND, figures, "<=") | row_goals
    return {"figures": figures | on_rows, "goals": goals, "deferred": deferred}


def main() -> None:
    arguments = parser(__doc__, "fewer rounds: about a minute and a half").parse_args()
    show(measuring(lambda say: run(arguments.quick, say)), arguments.json)


if __name__ == "__main__":
    main()
