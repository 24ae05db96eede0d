"""What reads a server: the CPU time of its process at a board's watts, as in ``detabed tree probe``."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from carbon_data.files.datasets import dataset
from edge_node.config import BoardConfig
from edge_node.energy.boards import load_board
from edge_node.language.model_file import model_file
from edge_node.language.server import LanguageServer
from experiments.probe.meters import CpuTimeMeter
from experiments.scenario.places import BoardSpec
from experiments.studies.import_closure import closure_digest

Result = TypeVar("Result")
BOARD = BoardSpec().profile


@lru_cache(maxsize=1)
def board() -> BoardConfig:
    """Whose watts are taken."""
    return load_board(BOARD).config()


def joules_of(server: LanguageServer, work: Callable[[], Result]) -> tuple[float, Result]:
    """Joules of the server's process while ``work`` is done, and what it returned."""
    close = CpuTimeMeter(server.pid, board()).open()
    result = work()
    return close().energy_j, result


def own_joules(work: Callable[[], Result]) -> tuple[float, Result]:
    """Joules of this process."""
    begun_s = time.process_time()
    result = work()
    return (time.process_time() - begun_s) * watts(), result


def watts() -> float:
    """Of one busy core, above rest."""
    return CpuTimeMeter(os.getpid(), board()).watts_per_core


def depends(module: str) -> list[str]:
    """All that a measurement in ``module`` depends on: code, model, text, machine and board."""
    return [
        closure_digest(module),
        model_file().sha256,
        dataset("tinyshakespeare").sha256,
        *machine(),
        json.dumps(board().model_dump(), sort_keys=True),
    ]


def machine() -> tuple[str, str]:
    """Processor and cores of this machine: measurements of another are not its own."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text(encoding="utf-8").splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    return name, f"{os.cpu_count()} cores"
