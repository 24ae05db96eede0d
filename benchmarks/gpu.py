"""A round of a node on this machine's GPU against the bare torch loop on the same batches, and against the processor.

Claim:   none yet: no GPU was at hand when this was written. It says what a round on a GPU costs beyond the plain loop,
         and whether both end at the same weights.
Cost:    --quick under a minute: one task, three turns. Otherwise some minutes: three tasks, nine turns.
Command: python -m benchmarks.gpu [--quick] [--json] [--output FILE]

A round is what a node does with its batches: load the global model, train (edge_node.tasks.workload), give back the
state. The bare loop keeps model and batches on the GPU and is zero_grad, backward, step. Both in turn, medians of the
turns. Joules are the GPU's counter (NVML), where there is one. The reading is written to FILE, by default
gpu-reading.json. Without a GPU: exit 2, and no file.
"""

from __future__ import annotations

import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks._command import measuring, parser, show
from carbon_data.files.whole import whole_file
from edge_node.config import TaskConfig
from edge_node.meters.sources.nvml import open_nvml
from edge_node.meters.sources.source import SourceError
from edge_node.tasks.build import build_workload
from edge_node.tasks.device import available
from edge_node.tasks.registry import find_task
from edge_node.tasks.state import load_arrays, to_arrays
from edge_node.tasks.workload import TaskWorkload
from edge_node.workload import Arrays, Parameters
from protos.messages.terms import Stage

TASKS, QUICK_TASKS = ("mnist-cnn", "mnist-mlp", "tiny-gpt"), ("mnist-cnn",)
TURNS, QUICK_TURNS = 9, 3
BATCHES, BATCH_SIZE, EPOCHS, RATE = 20, 64, 3, 0.05


def workload(task: str, device: str) -> TaskWorkload:
    """A node's work of that task."""
    config = TaskConfig(
        name=task,
        data=find_task(task).default_data,
        batch_size=BATCH_SIZE,
        batches_per_slot=BATCHES,
        local_epochs=EPOCHS,
        learning_rate=RATE,
        partitions=1,
        partition_index=0,
        device=device,  # type: ignore[arg-type]
    )
    return build_workload(config)


def bare(node: TaskWorkload, start: Parameters, batches: Sequence[Arrays]) -> Parameters:
    """The same steps in torch's own words."""
    model = node.task.model().to(node.device).train()
    load_arrays(model, start)
    prepared = [node.task.placed(model, batch) for batch in batches]
    optimiser = torch.optim.SGD(model.parameters(), lr=RATE)
    for _ in range(EPOCHS):
        for x, y in prepared:
            optimiser.zero_grad()
            node.task.loss(model(x), y).backward()
            optimiser.step()
    return to_arrays(model)


def timed(work: Callable[[], Parameters], device: torch.device) -> tuple[float, Parameters]:
    """Seconds until the device is done, and what came out."""
    synchronise(device)
    began = time.perf_counter()
    found = work()
    synchronise(device)
    return time.perf_counter() - began, found


def synchronise(device: torch.device) -> None:
    """Wait for the device."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    elif device.type == "mps":
        torch.mps.synchronize()


def of_task(task: str, device: str, turns: int) -> dict[str, float]:
    """Figures of one task."""
    node, processor = workload(task, device), workload(task, "cpu")
    start = node.task.initial_parameters(0)
    batches = [node.batch(k, Stage.DEVELOPMENT) for k in range(BATCHES)]
    works: dict[str, Callable[[], Parameters]] = {
        "round": lambda: node.train(start, batches, {}).parameters,
        "bare": lambda: bare(node, start, batches),
    }
    for work in works.values():
        timed(work, node.device)  # kernels are chosen and compiled
    seconds: dict[str, list[float]] = {name: [] for name in works}
    ends: dict[str, Parameters] = {}
    joules = []
    for _ in range(turns):
        for name, work in works.items():
            before = counted_j(device)
            spent, ends[name] = timed(work, node.device)
            seconds[name].append(spent)
            if name == "round" and before is not None:
                joules.append((counted_j(device) or before) - before)
    on_processor, there = timed(lambda: processor.train(start, batches, {}).parameters, processor.device)
    found = {
        "round_s": statistics.median(seconds["round"]),
        "bare_s": statistics.median(seconds["bare"]),
        "over_bare": statistics.median(
            one / other for one, other in zip(seconds["round"], seconds["bare"], strict=True)
        ),
        "over_processor": statistics.median(seconds["round"]) / on_processor,
        "largest_difference_to_bare": largest_difference(ends["round"], ends["bare"]),
        "largest_difference_to_processor": largest_difference(ends["round"], there),
        "flop_per_s": EPOCHS
        * BATCHES
        * BATCH_SIZE
        * node.task.flop().train
        / statistics.median(seconds["round"]),
    }
    return found | ({"round_j": statistics.median(joules)} if joules else {})


def counted_j(device: str) -> float | None:
    """Joules of the first GPU's counter; None without one."""
    if device != "cuda":
        return None
    try:
        source = open_nvml("")
    except SourceError:
        return None
    try:
        return source.read() / 1e6
    finally:
        source.close()


def largest_difference(one: Parameters, other: Parameters) -> float:
    """Of any weight, relative to the largest weight."""
    scale = max(float(np.abs(array).max()) for array in other.values())
    return max(float(np.abs(one[name] - other[name]).max()) for name in other) / scale


def measure(device: str, quick: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """Figures; there are no goals."""
    figures: dict[str, Any] = {}
    for task in QUICK_TASKS if quick else TASKS:
        say(f"{task} on {device}")
        found = of_task(task, device, QUICK_TURNS if quick else TURNS)
        figures |= {f"{task} {name}": value for name, value in found.items()}
    return {
        "figures": figures,
        "goals": {},
        "device": device,
        "name": torch.cuda.get_device_name(0)
        if device == "cuda"
        else platform.processor() or platform.machine(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "deferred": sorted(set(TASKS) - set(QUICK_TASKS)) if quick else [],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """0; 2 without a GPU."""
    made = parser(__doc__, "one task, three turns")
    made.add_argument("--output", type=Path, default=Path("gpu-reading.json"), help="file of the reading")
    given = made.parse_args(arguments)
    (device, *_) = available()
    if device == "cpu":
        sys.stderr.write(
            f"torch {torch.__version__} sees no GPU on this machine (CUDA or Apple's): nothing is measured or written; "
            "run this on the board whose GPU is to be measured\n"
        )
        return 2
    found = measuring(lambda say: measure(device, given.quick, say))
    with whole_file(given.output) as file:
        file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    show(found, given.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
