"""What every operation of a model costs: operations counted, milliseconds measured here, joules on the board.

Operations are counted by ``torch.utils.flop_counter`` (matrix products and convolutions, a multiplication and an
addition being two). The board's seconds and joules are (E1) with these counts: modelled, not measured.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils.flop_counter import FlopCounterMode

from edge_node.splitting.energy import Terminal
from edge_node.splitting.partition import Partitioner


@dataclass(frozen=True, slots=True)
class OperationProfile:
    """One operation for one example."""

    name: str
    kind: str
    """Layer class or function."""
    flop: float
    output_bytes: int
    board_s: float
    """(E1), modelled."""
    board_j: float
    """(E1), modelled."""
    measured_s: float
    """Median on this machine, one thread unless the process has more."""


class _Clock(fx.Interpreter):
    """Runs a graph and notes time and operations of every node."""

    def __init__(self, module: fx.GraphModule, *, count: bool) -> None:
        super().__init__(module)
        self.count = count
        self.noted: dict[str, tuple[float, float, int]] = {}

    def run_node(self, n: fx.Node) -> Any:
        flop = 0.0
        if self.count:
            with FlopCounterMode(display=False) as counter:
                value = super().run_node(n)
            flop = float(counter.get_total_flops())
            elapsed = 0.0
        else:
            begin = time.perf_counter()
            value = super().run_node(n)
            elapsed = time.perf_counter() - begin
        size = value.numel() * value.element_size() if isinstance(value, Tensor) else 0
        self.noted[n.name] = (flop, elapsed, size)
        return value


def profile(
    partitioner: Partitioner, example: Tensor, terminal: Terminal, repeats: int = 20
) -> list[OperationProfile]:
    """Profile of every operation in order, for ``example`` (a batch of one).

    Args:
        partitioner: The traced model.
        example: Its input.
        terminal: Whose (E1) the board's columns are.
        repeats: Timed runs, of which the median is taken; one more warms up.

    Raises:
        ValueError: fewer than one repeat.
    """
    if repeats < 1:
        raise ValueError(f"repeats is {repeats}; allowed is >= 1")
    with torch.no_grad():
        counted = _Clock(partitioner.traced, count=True)
        counted.run(example)
        times: dict[str, list[float]] = {node.name: [] for node in partitioner.operations}
        for run in range(repeats + 1):
            timed = _Clock(partitioner.traced, count=False)
            timed.run(example)
            if run:
                for name, taken in times.items():
                    taken.append(timed.noted[name][1])
    found = []
    for node in partitioner.operations:
        flop, _, size = counted.noted[node.name]
        found.append(
            OperationProfile(
                name=node.name,
                kind=_kind(partitioner.traced, node),
                flop=flop,
                output_bytes=size,
                board_s=flop / terminal.flop_per_s,
                board_j=flop * terminal.j_per_flop,
                measured_s=median(times[node.name]),
            )
        )
    return found


def _kind(traced: fx.GraphModule, node: fx.Node) -> str:
    if node.op == "call_module":
        return type(traced.get_submodule(str(node.target))).__name__
    return getattr(node.target, "__name__", str(node.target))
