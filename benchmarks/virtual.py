"""Whole runs on a virtual fleet, energy only: DETA's decisions and the books of every node and slot.

Claim:   DETA at 10,000 nodes x 24 slots, decisions and books, takes a CPU second for at least 4,000 node-slots.
Cost:    --quick about a minute on two cores, otherwise about five.
Command: python -m benchmarks.virtual [--quick] [--json]

What is measured: CPU seconds of all threads from the first slot to the last entry of the ledger on disk; starting
(reading traces, making nodes), verifying and writing tables are figures of their own. Half of the nodes have panels and
batteries, in ten zones with ten demands. LOCAL decides by rule, so that its runs show what the books alone cost. Each
size has a fresh process, so that the peak of memory is its own.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks._command import measuring, parser, show
from benchmarks.optimiser import peak_gib
from coordinator.adapters.flower_server import RunRecord
from coordinator.ledger import verify
from coordinator.tables.export import export_tables
from experiments.resolve.resolve import resolve
from experiments.run_folder.files import LEDGER
from experiments.runs.columns import run_columns
from experiments.scenario.model import parse_scenario

SLOTS = 24
ZONES = ("DE", "FR", "PL", "ES", "SE-SE3", "US-NW-SCL", "US-SE-SOCO", "GB", "FI", "US-CAL-CISO")
GOAL = "deta_10000_node_slots_per_cpu_s"


def scenario_text(policy: str, nodes: int) -> str:
    """``nodes`` nodes, a tenth in each zone; every second zone has panels and batteries."""
    parts = [
        f'policy = "{policy}"\n[task]\nname = "none"\n[stages]\ndevelopment = {SLOTS}\n[fleet]\nkind = "virtual"',
        "[time]\nstart = 2022-06-21T00:00:00Z",
    ]
    for place, zone in enumerate(ZONES):
        sunny = place % 2
        parts.append(
            f'[[nodes]]\nzone = "{zone}"\ncount = {nodes // len(ZONES)}\n[nodes.harvest]\npeak_w = {20.0 * sunny}\n'
            f'[nodes.battery]\ncapacity_wh = {10.0 * sunny}\n[nodes.demand]\nkind = "constant"\n'
            f"peak_w = {1 + 0.1 * place}"
        )
    return "\n".join(parts)


def whole_run(policy: str, nodes: int) -> dict[str, float]:
    """CPU seconds of a run's parts, and the process's peak of memory."""
    began = time.process_time()
    resolved = resolve(parse_scenario(scenario_text(policy, nodes)))
    first = [0.0]

    def opened() -> None:
        first[0] = time.process_time()

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run_columns(resolved, "benchmark", folder, RunRecord(), opened, lambda _: None)
        slots = time.process_time()
        found = verify(folder / LEDGER)
        assert found.ok, found.findings
        verified = time.process_time()
        export_tables(folder / LEDGER, folder, start=resolved.scenario.time.start, trace_step_s=3600.0)
        return {
            "start_cpu_s": first[0] - began,
            "slots_cpu_s": slots - first[0],
            "node_slots_per_cpu_s": nodes * SLOTS / (slots - first[0]),
            "verify_cpu_s": verified - slots,
            "tables_cpu_s": time.process_time() - verified,
            "ledger_mb": (folder / LEDGER).stat().st_size / 1e6,
            "peak_gib": peak_gib(),
        }


def in_a_fresh_process(policy: str, nodes: int) -> dict[str, float]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(whole_run, policy, nodes).result()


def run(quick: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure everything: figures, goals, and the goals that --quick leaves out."""
    figures: dict[str, Any] = {}
    goals: dict[str, dict[str, Any]] = {}
    sizes = [("local", 10), ("local", 1000), ("deta", 100 if quick else 1000)]
    for policy, nodes in sizes if quick else [*sizes, ("local", 10_000), ("deta", 10_000)]:
        say(f"{policy}, {nodes:,} nodes x {SLOTS} slots")
        for name, value in in_a_fresh_process(policy, nodes).items():
            figures[f"{policy}_{nodes}_{name}"] = value
    if not quick:
        value = figures[GOAL]
        goals[GOAL] = {"op": ">=", "goal": 4000.0, "value": value, "met": bool(value >= 4000.0)}
    return {"figures": figures, "goals": goals, "deferred": [GOAL] if quick else []}


def main() -> None:
    arguments = parser(__doc__, "LOCAL at 1,000 and DETA at 100 nodes: about a minute").parse_args()
    show(measuring(lambda say: run(arguments.quick, say)), arguments.json)


if __name__ == "__main__":
    main()
