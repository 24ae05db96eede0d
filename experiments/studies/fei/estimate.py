"""What a training will cost, said before it runs: expected rounds, speed of this machine, CPU seconds.

An estimate orders jobs, draws bars and warns people. It never enters a result.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_node.tasks.process import configure_process
from edge_node.tasks.registry import find_task
from experiments.studies.fei import shipped
from experiments.studies.fei.federated import share_of
from protos.messages.terms import Stage

if TYPE_CHECKING:
    from experiments.studies.fei.cell import TrainCell

EXAMPLES_PER_CPU_S = {"mnist-mlp": 55_000.0, "mnist-cnn-62": 5_000.0, "shakespeare-lstm": 120.0}
"""One core of the machine the shipped trainings ran on, mini-batches of 50; ``measure`` finds this machine's."""
MEASURED_S = 1.0
"""CPU seconds of steps behind one measured speed."""
_measured: dict[tuple[str, int], float] = {}


@dataclass(frozen=True, slots=True)
class Rounds:
    """Rounds that a training is expected to take."""

    count: float
    source: str
    """``shipped`` (this very training was measured before) or ``guess``."""


def rounds(cell: TrainCell) -> Rounds:
    """Expected rounds of both tasks: as measured before, else a guess that grows with the servers."""
    if (known := shipped.find(cell)) is not None:
        return Rounds(float(len(known["development"]) + len(known["recycling"])), "shipped")
    if cell.local_epochs > 1:
        one = 1.0 + 0.2 * cell.edges
    else:
        one = {"mnist-cnn-62": 1.0}.get(cell.task, 3.0) + 0.5 * cell.edges
    return Rounds(min(float(cell.max_rounds), one) * (2.0 if cell.recycle else 1.0), "guess")


def examples_per_cpu_s(task: str, batch_size: int) -> float:
    """Speed of one core: measured in this process, else that of the machine of the shipped trainings."""
    return _measured.get((task, batch_size), EXAMPLES_PER_CPU_S.get(task, 1000.0))


def cpu_s(cell: TrainCell) -> float:
    """Expected CPU seconds of a whole training."""
    return rounds(cell).count * cell.round_examples / examples_per_cpu_s(cell.task, cell.batch_size)


def measure(cells: Iterable[TrainCell]) -> None:
    """Time a few steps of every task and batch size in ``cells`` on this machine; later estimates use them."""
    configure_process()
    for cell in {(c.task, c.batch_size): c for c in cells}.values():
        if (cell.task, cell.batch_size) in _measured:
            continue
        weights = find_task(cell.task).initial_parameters(cell.seed)
        server = share_of(cell, cell.data, 0)
        batches = [server.batch(0, Stage.DEVELOPMENT)]
        server.train(weights, batches, {})  # the first step allocates, and does not count
        began, steps = time.process_time(), 0
        while steps == 0 or time.process_time() - began < MEASURED_S:
            server.train(weights, batches, {})
            steps += 1
        spent = time.process_time() - began
        _measured[cell.task, cell.batch_size] = steps * cell.batch_size / spent
