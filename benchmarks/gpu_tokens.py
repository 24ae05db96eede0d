"""Joules per token of a language-model server on this machine's GPU, and a node's round on that GPU: one reading file.

Claim:   none yet: it was not run on a GPU, for none was at hand when it was written. Its tests run it without one.
Cost:    --quick some minutes: two lengths, one task. Otherwise three lengths, three tasks.
Command: python -m benchmarks.gpu_tokens http://127.0.0.1:8000 --limit-w 450 [--quick] [--json]
         [--output FILE]

First start a server on the GPU: vLLM, TensorRT-LLM, Ollama, llama.cpp with CUDA. It is probed as `detabed tree probe`
does, with the GPU's own counter (NVML) as the meter; then benchmarks.gpu measures a round. Both go into FILE, by
default gpu-tokens-reading.json. Without an NVIDIA GPU: exit 2, one sentence, and no file.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import gpu
from benchmarks._command import measuring, parser, show
from carbon_data.files.whole import whole_file
from edge_node.meters.base import MeterError
from edge_node.meters.sources.nvml import open_nvml
from edge_node.meters.sources.source import SourceError
from edge_node.tasks.device import available
from experiments.commands.boards import require_board
from experiments.errors import RunError, UsageError
from experiments.probe.figures import probe_of
from experiments.probe.measure import Plan, measure
from experiments.probe.meters import probe_meter
from experiments.probe.server import ModelServer
from experiments.scenario.places import BoardSpec
from experiments.scenario.system import TreeSpec

PLAN = Plan((32, 256, 512), (1, 64), repeats=5, idle_s=10.0)
REST_W = 5.0
"""A GPU at rest draws no less than a twentieth of this: readings below are refused (meters.sampling.limits)."""
QUICK_PLAN = Plan((32, 256), (1, 64), repeats=3, idle_s=5.0)


def why_not() -> str:
    """Why nothing can be measured here; empty where it can."""
    try:
        open_nvml("").close()
    except SourceError as error:
        return f"this machine has no NVIDIA GPU that can be read: {error}"
    if "cuda" not in available():
        return (
            "torch sees no NVIDIA GPU on this machine: it is a build without CUDA, or the driver is too old"
        )
    return ""


def probed(url: str, limit_w: float, plan: Plan) -> dict[str, Any]:
    """Figures of the server at ``url``, as `detabed tree probe --json` prints them. Raises UsageError,
    RunError, MeterError."""
    powers = {"static_w": REST_W, "sleep_w": REST_W, "busy_w": limit_w}
    board = require_board(BoardSpec().profile).config().model_copy(update=powers)
    server = ModelServer(url)
    meter = probe_meter("nvml:0", board, server)
    try:
        measured = measure(server, meter, plan)
    finally:
        meter.stop()
        server.close()
    alpha = TreeSpec().alpha_bits_per_token
    probe = probe_of(measured, alpha_bits_per_token=alpha, counts_idle=meter.counts_idle)
    return {"server": server.url, "model": server.model, "dialect": server.dialect.name, **probe.as_dict()}


def reading(url: str, limit_w: float, quick: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """Figures of probe and round; there are no goals."""
    say(f"probing {url}")
    probe = probed(url, limit_w, QUICK_PLAN if quick else PLAN)
    round_of_node = gpu.measure("cuda", quick, say)
    whole = probe["whole"]
    figures = {
        f"probe {name}": None if whole[name] is None else whole[name]["mean"]
        for name in ("energy_j", "per_token_in_j", "per_token_out_j", "first_token_s")
    }
    return round_of_node | {"figures": figures | round_of_node["figures"], "limit_w": limit_w, "probe": probe}


def main(arguments: Sequence[str] | None = None) -> int:
    """0; 1 where the server fails; 2 without a GPU."""
    made = parser(__doc__, "two lengths, one task")
    made.add_argument("url", help="address of the server on this machine's GPU")
    made.add_argument(
        "--limit-w", type=float, required=True, help="the GPU's power limit, as nvidia-smi shows it, in watts"
    )
    made.add_argument(
        "--output", type=Path, default=Path("gpu-tokens-reading.json"), help="file of the reading"
    )
    given = made.parse_args(arguments)
    if why := why_not():
        sys.stderr.write(
            f"{why}; nothing is measured or written: run this on the machine whose GPU is to be measured\n"
        )
        return 2
    try:
        found = measuring(lambda say: reading(given.url, given.limit_w, given.quick, say))
    except (UsageError, RunError, MeterError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    with whole_file(given.output) as file:
        file.write_text(json.dumps(found, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    show(found, given.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
