"""Settings of a process that trains, made once before its first operation."""

from __future__ import annotations

import torch

from edge_node.tasks.memory import keep_memory


def configure_process(threads: int = 1) -> None:
    """Compute with ``threads`` threads in this process, which keeps its memory (edge_node.tasks.memory).

    torch's default is one thread a core: ten node processes on two cores with it were 25 times slower than
    the same ten with one thread each (7.96 s against 0.30 s a round).
    """
    if threads < 1:
        raise ValueError(f"threads must be >= 1, got {threads}")
    torch.set_num_threads(threads)
    keep_memory()
