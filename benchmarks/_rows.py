"""Learning on virtual fleets beside the bare loop, pfl-research and Flower's simulation, client-round by client-round.

A client-round: one node's five batches of eight, MLP of 64-128-10. Under DETA nodes train on each other's batches, so
that client-rounds are counted in batches there. CPU seconds of all threads, from the first slot to the last entry of
the ledger. The four take turns in processes of their own; ratios are medians.
"""

from __future__ import annotations

import importlib.util
import json
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import nn

from benchmarks._command import against
from benchmarks._small_mlp import CLASSES, HIDDEN, INPUTS, SmallMlp, drawn
from coordinator.adapters.flower_server import RunRecord, logging_to
from edge_node.tasks.process import configure_process
from experiments.fleet.ray_learners import RayLearners
from experiments.resolve.resolve import resolve
from experiments.runs.columns import run_columns
from experiments.scenario.model import parse_scenario

NODES, BATCHES, BATCH_SIZE, LEARNING_RATE = 1000, 5, 8, 0.05
ZONES = ("DE", "FR", "PL", "ES", "SE-SE3", "US-NW-SCL", "US-SE-SOCO", "GB", "FI", "US-CAL-CISO")
GOALS = {
    "rows_cpu_ratio": 1.0,
    "rows_deta_cpu_ratio": 1.3,
    "rows_to_pfl_cpu_ratio": 0.75,
    "rows_to_simulation_wall_ratio": 0.1,
    "rows_10000_peak_gib": 8.0,
}
WHY = {
    "rows_to_pfl_cpu_ratio": "pfl is not installed: pip install -e '.[peers]' under Python 3.11 or 3.12",
    "rows_to_simulation_wall_ratio": "left out by --quick",
    "rows_10000_peak_gib": "left out by --quick",
}


def scenario_text(policy: str, nodes: int, slots: int, fleet: str = "processes = 1") -> str:
    """``nodes`` nodes that learn, a tenth in each zone; every second zone has panels and batteries."""
    parts = [
        f'policy = "{policy}"\n[task]\nname = "{SmallMlp.name}"\ndata = "drawn-{nodes * BATCHES * BATCH_SIZE}"',
        f"batch_size = {BATCH_SIZE}\nbatches_per_slot = {BATCHES}\nlocal_epochs = 1",
        f"learning_rate = {LEARNING_RATE}\n[stages]\npreparation = 0\ndevelopment = {slots}",
        f'application = 0\nrecycling = 0\n[fleet]\nkind = "virtual"\n{fleet}',
        "[time]\nstart = 2022-06-21T06:00:00Z",
    ]
    for place, zone in enumerate(ZONES):
        sunny = place % 2
        parts.append(
            f'[[nodes]]\nzone = "{zone}"\ncount = {nodes // len(ZONES)}\n[nodes.harvest]\npeak_w = {20.0 * sunny}\n'
            f"[nodes.battery]\ncapacity_wh = {10.0 * sunny}"
        )
    return "\n".join(parts)


def our_run(policy: str, slots: int, processes: int = 1) -> dict[str, float]:
    """CPU and wall milliseconds a client-round of a whole run; wall from the second slot on."""
    resolved = resolve(parse_scenario(scenario_text(policy, NODES, slots)))
    marks: list[float] = []
    learners = RayLearners(NODES, processes) if processes > 1 else None
    begun = [0.0]

    def opened() -> None:
        begun[0] = time.process_time()

    try:
        if learners is not None:
            learners.start()
        with tempfile.TemporaryDirectory() as name, logging_to(Path(name) / "flower.log"):
            record = RunRecord()
            run_columns(
                resolved,
                "rows",
                Path(name),
                record,
                opened,
                lambda _: marks.append(time.perf_counter()),
                learners,
            )
    finally:
        if learners is not None:
            learners.stop()
    done = sum(outcome.summary.executed_batches for outcome in record.outcomes) / BATCHES
    assert done >= 0.99 * NODES * slots, done
    return {
        "cpu_ms": (time.process_time() - begun[0]) / done * 1e3,
        "wall_ms": (marks[-1] - marks[0]) / (len(marks) - 1) / NODES * 1e3,
    }


def bare_round() -> float:
    """CPU milliseconds a client-round of the usual loop: nn.Module, SGD by hand, tensors in memory, no average."""
    net = nn.Sequential(nn.Linear(INPUTS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, CLASSES))
    criterion, start = nn.CrossEntropyLoss(), [tensor.detach().clone() for tensor in net.parameters()]
    nodes = user_tensors()
    begun = time.process_time()
    for x, y in nodes:
        with torch.no_grad():
            for tensor, first in zip(net.parameters(), start, strict=True):
                tensor.copy_(first)
        for at in range(0, BATCHES * BATCH_SIZE, BATCH_SIZE):
            loss = criterion(net(x[at : at + BATCH_SIZE]), y[at : at + BATCH_SIZE])
            net.zero_grad()
            loss.backward()
            with torch.no_grad():
                for tensor in net.parameters():
                    assert tensor.grad is not None
                    tensor.sub_(LEARNING_RATE * tensor.grad)
    return (time.process_time() - begun) / NODES * 1e3


def user_tensors() -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Every node's examples."""
    data, size = drawn(NODES * BATCHES * BATCH_SIZE), BATCHES * BATCH_SIZE
    x, y = torch.from_numpy(data.train["x"]), torch.from_numpy(data.train["labels"])
    return [(x[at : at + size].clone(), y[at : at + size].clone()) for at in range(0, len(y), size)]


def pfl_round() -> float:
    """CPU milliseconds a client-round of pfl-research's FederatedAveraging."""
    # When it is imported, pfl sets up what its data sets ask for, in a process of this name only.
    multiprocessing.current_process().name = "MainProcess"
    from benchmarks._pfl import round_cpu_s  # pfl is an optional extra

    return round_cpu_s(user_tensors(), BATCH_SIZE, LEARNING_RATE) / NODES * 1e3


def _one_thread() -> None:
    torch.set_num_threads(1)


def in_turn(turns: int, slots: int, say: Callable[[str], None]) -> dict[str, float]:
    """Ratios of CPU, medians over ``turns`` in which each has its turn, in processes of their own that stay."""
    context = multiprocessing.get_context("spawn")
    asked: dict[str, tuple[Any, ...]] = {"bare": (bare_round,)}
    for policy in ("local", "deta"):
        asked[policy] = (our_run, policy, slots)
    if importlib.util.find_spec("pfl") is not None:
        asked["pfl"] = (pfl_round,)
    spent: dict[str, list[float]] = {name: [] for name in asked}
    pools = {
        name: ProcessPoolExecutor(
            1, mp_context=context, initializer=_one_thread if name in ("bare", "pfl") else configure_process
        )
        for name in asked
    }
    try:
        for turn in range(turns):
            for name, (call, *arguments) in asked.items():
                say(f"rows: {name}, turn {turn + 1} of {turns}")
                found = pools[name].submit(call, *arguments).result()
                spent[name].append(found if isinstance(found, float) else found["cpu_ms"])
    finally:
        for pool in pools.values():
            pool.shutdown()

    def ratio(one: str, other: str) -> float:
        return statistics.median(a / b for a, b in zip(spent[one], spent[other], strict=True))

    figures = {f"rows_{name}_cpu_ms": statistics.median(values) for name, values in spent.items()}
    figures |= {"rows_cpu_ratio": ratio("local", "bare"), "rows_deta_cpu_ratio": ratio("deta", "bare")}
    if "pfl" in asked:
        figures |= {
            "rows_to_pfl_cpu_ratio": ratio("local", "pfl"),
            "pfl_cpu_ratio": ratio("pfl", "bare"),
        }
    return figures


def beside_simulation() -> dict[str, float]:
    """Wall milliseconds a client-round of Flower's own simulation of 100 clients and of ours in two processes."""
    command = [sys.executable, "-m", "benchmarks._flower_simulation"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=900)
    flower_ms = float(json.loads(done.stdout.strip().splitlines()[-1])["wall_ms"])
    wall_ms = our_run("local", 12, processes=2)["wall_ms"]
    return {
        "simulation_wall_ms": flower_ms,
        "rows_wall_ms": wall_ms,
        "rows_to_simulation_wall_ratio": wall_ms / flower_ms,
    }


def ten_thousand(nodes: int = 10_000, slots: int = 24) -> dict[str, float]:
    """`detabed run` of DETA with learning; wall seconds, and the peak of all its processes' resident memory."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "rows.toml"
        path.write_text(scenario_text("deta", nodes, slots, "processes = 2"))
        command = [sys.executable, "-c", "from experiments.cli import main; main()", "run", str(path)]
        command += ["--output", str(Path(name) / "run"), "--no-report", "--json"]
        begun, peak = time.perf_counter(), 0
        with (Path(name) / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as run:
            while run.poll() is None:
                peak = max(peak, _tree_bytes(run.pid))
                time.sleep(0.5)
        if run.returncode:
            raise RuntimeError((Path(name) / "log").read_text()[-2000:])
        return {"rows_10000_wall_s": time.perf_counter() - begun, "rows_10000_peak_gib": peak / 2**30}


def _tree_bytes(pid: int) -> int:
    found = 0
    try:
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            found += process.memory_info().rss
    except psutil.NoSuchProcess:
        pass  # one has just ended
    return found


def measure(quick: bool, say: Callable[[str], None]) -> tuple[dict[str, float], dict[str, Any], list[str]]:
    """Figures, goals, and the goals that are left out with the reason."""
    figures = in_turn(3 if quick else 7, 6 if quick else 12, say)
    if not quick:
        say("rows: Flower's simulation")
        figures |= beside_simulation()
        say("rows: 10,000 nodes x 24 slots")
        figures |= ten_thousand()
    goals = against({name: goal for name, goal in GOALS.items() if name in figures}, figures, "<=")
    left = [f"{name}: {WHY[name]}" for name in GOALS if name not in figures]
    return figures, goals, left
