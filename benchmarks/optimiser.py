"""Solve time of the fleet's optimisation against nodes, slots and method.

Claim:   to a proven gap of 0.1 % the decomposition over hub prices is at least 5 times faster at 1,000 nodes x 24
         slots, and 20 times at 3,000, than the best of HiGHS's simplex, interior point and PDLP on the same LP; from
         10,000 to 100,000 nodes its time grows at most 1.2 times linearly, in less than 8 GiB; a decision of ten nodes
         over 24 slots takes at most twice one bare solver call.
Cost:    --quick within a minute on two cores, otherwise about fifteen.
Command: python -m benchmarks.optimiser [--quick] [--json] [--out FOLDER]

What is compared: the decomposition stops at the proven gap, with a thread per CPU; HiGHS runs to its own tolerance
with one thread (its LP methods hardly use more; the ratio with one thread each is among the figures), the model
already built and handed over. Methods take turns in one run. HiGHS's first method has no time limit; the others may
take as long as the best so far and no longer, since a slower one cannot be the best. Every solve of the decomposition
has a fresh process, so that its peak memory is its own.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks._command import measuring, parser, show, show_goals
from benchmarks._decision import measure_decision
from coordinator.market.fleet import Fleet
from coordinator.market.instances import reference_day
from coordinator.market.solve import SolverOptions, solve_lp
from coordinator.market.wide import decomposition, hub, hub_lp

GAP = 1e-3
SLOTS = 24
HIGHS = ("ipm", "simplex", "pdlp")
DECOMPOSITION = "decomposition"
_GIB = 2**30


def large_fleet(nodes: int, slots: int = SLOTS, seed: int = 1) -> Fleet:
    """The reference day's ten nodes repeated, every figure drawn around theirs: no two nodes are equal, and the mixture
    is the same for any ``nodes``."""
    rng = np.random.default_rng(seed)
    day = _repeated(reference_day(slots, 10), nodes)
    spread = lambda low, high: rng.uniform(low, high, (nodes, 1))  # noqa: E731
    noise = rng.uniform(0.9, 1.1, (nodes, slots))
    backlog = np.maximum(np.rint(day.backlog_batches * spread(0.3, 1.5)), 1).astype(np.int64)
    return replace(
        day,
        intensity_g_per_kwh=day.intensity_g_per_kwh * spread(0.8, 1.2) * noise,
        harvest_j=day.harvest_j * spread(0.0, 2.0) * rng.uniform(0.4, 1.0, (nodes, slots)),
        backlog_batches=backlog,
        release_batches=np.maximum(backlog + rng.integers(-5, 6, (nodes, slots - 1)), 0),
        joules_per_batch=day.joules_per_batch * spread(0.7, 1.5),
        battery_capacity_j=day.battery_capacity_j * spread(0.0, 2.0)[:, 0],
        export_efficiency=rng.uniform(0.93, 0.99, nodes),
        import_efficiency=rng.uniform(0.93, 0.99, nodes),
    )


def _repeated(fleet: Fleet, nodes: int) -> Fleet:
    """The nodes of ``fleet`` repeated in turn."""
    pick = np.arange(nodes) % fleet.size
    values = {spec.name: getattr(fleet, spec.name) for spec in fields(fleet)}
    shared = {"bytes_per_batch", "offloadable"}
    for name, value in values.items():
        if isinstance(value, np.ndarray) and name not in shared:
            values[name] = value[pick]
    return Fleet(**(values | {"node_ids": tuple(f"edge-{k}" for k in range(nodes))}))


def peak_gib() -> float:
    """Most memory this process has held, GiB. Linux's ru_maxrss begins at the parent's figure, so its own is read
    from the kernel where it can be had."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / _GIB
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes on macOS and in KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / _GIB


def time_decomposition(nodes: int, slots: int, workers: int | None = None) -> dict[str, float]:
    """One solve in this process: seconds, gap, steps and peak memory."""
    program = hub.from_fleet(large_fleet(nodes, slots))
    started = time.perf_counter()
    found = decomposition.solve(program, GAP, workers=workers)
    wall_s = time.perf_counter() - started
    violation = max(hub.residuals(program, found.plan).values())
    return {
        "wall_s": wall_s,
        "gap_fraction": found.gap_fraction,
        "objective_g": found.objective_g,
        "bound_g": found.bound_g,
        "steps": found.steps,
        "violation": violation,
        "peak_gib": peak_gib(),
    }


def in_a_fresh_process(nodes: int, slots: int, workers: int | None = None) -> dict[str, float]:
    """``time_decomposition`` in a separate process."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(time_decomposition, nodes, slots, workers).result()


class Sheet:
    """Rows measured so far."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.rows: list[dict[str, Any]] = []

    def decomposition(self, nodes: int, slots: int, repeats: int) -> dict[str, float]:
        runs = []
        for _ in range(repeats):
            self.say(f"decomposition, {nodes} nodes x {slots} slots")
            runs.append(in_a_fresh_process(nodes, slots))
        row = runs[0] | {
            "wall_s": statistics.median(run["wall_s"] for run in runs),
            "peak_gib": max(run["peak_gib"] for run in runs),
        }
        self.rows.append({"nodes": nodes, "slots": slots, "method": DECOMPOSITION, "timed_out": False, **row})
        return row

    def highs(
        self, nodes: int, slots: int, repeats: int, methods: tuple[str, ...] = HIGHS
    ) -> dict[str, float]:
        """Best of HiGHS's methods: solve time alone, the model already built and handed over."""
        lp, _, units = hub_lp.build(hub.from_fleet(large_fleet(nodes, slots)))
        best: dict[str, float] = {}
        best_method = ""

        def once(method: str, limit: float | None) -> dict[str, Any]:
            self.say(f"HiGHS {method}, {nodes} nodes x {slots} slots")
            options = SolverOptions(method=method, time_limit_s=limit)
            found = solve_lp(lp.cost, lp.matrix, lp.row_lower, lp.row_upper, lp.column_upper, options)
            objective = None if found.objective is None else found.objective * units.grams
            return {"wall_s": found.run_s, "objective_g": objective, "timed_out": found.values is None}

        for method in methods:
            row = once(method, best["wall_s"] if best else None)
            if not row["timed_out"] and (not best or row["wall_s"] < best["wall_s"]):
                best, best_method = row, method
            self.rows.append({"nodes": nodes, "slots": slots, "method": f"highs-{method}", **row})
        again = [best["wall_s"]] + [once(best_method, None)["wall_s"] for _ in range(repeats - 1)]
        return best | {"wall_s": statistics.median(again)}


def run(quick: bool, say: Callable[[str], None]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Measure everything: figures and goals, and the rows of the table."""
    sheet = Sheet(say)
    figures: dict[str, Any] = {"machine": machine()}
    goals: dict[str, dict[str, Any]] = {}

    def goal(name: str, op: str, limit: float, value: float) -> None:
        met = value >= limit if op == ">=" else value <= limit
        goals[name] = {"op": op, "goal": limit, "value": value, "met": bool(met)}
        figures[name] = value

    say("decision of ten nodes over 24 slots against one bare solver call")
    decision = measure_decision(10, SLOTS, 10 if quick else 40)
    figures |= {"decision_s": decision.decide_s, "bare_solver_call_s": decision.bare_s}
    goal("decision_ratio", "<=", 2.0, decision.ratio)

    compared = {100: 0.0, 1000: 5.0} if quick else {100: 0.0, 300: 0.0, 1000: 5.0, 3000: 20.0}
    for nodes, least in compared.items():
        ours = sheet.decomposition(nodes, SLOTS, 1 if quick else 3)
        methods = HIGHS[:1] if quick else HIGHS
        theirs = sheet.highs(nodes, SLOTS, 1 if quick or nodes > 1000 else 3, methods)
        ratio = theirs["wall_s"] / ours["wall_s"]
        figures[f"highs_{nodes}_s"], figures[f"decomposition_{nodes}_s"] = theirs["wall_s"], ours["wall_s"]
        if least:
            goal(f"speed_up_{nodes}", ">=", least, ratio)
        else:
            figures[f"speed_up_{nodes}"] = ratio
        if not quick:
            say(f"decomposition, {nodes} nodes x {SLOTS} slots, one thread")
            alone = in_a_fresh_process(nodes, SLOTS, 1)
            figures[f"speed_up_{nodes}_one_thread"] = theirs["wall_s"] / alone["wall_s"]
        agree = max(ours["bound_g"] - theirs["objective_g"], theirs["objective_g"] - ours["objective_g"])
        figures[f"disagreement_{nodes}"] = max(agree, 0.0) / abs(theirs["objective_g"])
    for slots in (12, 48):
        sheet.decomposition(100 if quick else 1000, slots, 1)
    if not quick:
        sizes = (10_000, 30_000, 100_000)
        large = {nodes: sheet.decomposition(nodes, SLOTS, 1) for nodes in sizes}
        growth = (large[100_000]["wall_s"] / large[10_000]["wall_s"]) / 10.0
        goal("growth_10000_to_100000_over_linear", "<=", 1.2, growth)
        goal("peak_100000_gib", "<=", 8.0, large[100_000]["peak_gib"])
        for nodes in sizes:
            figures[f"decomposition_{nodes}_s"] = large[nodes]["wall_s"]
    ours_rows = [row for row in sheet.rows if row["method"] == DECOMPOSITION]
    goal("worst_gap_fraction", "<=", GAP, max(row["gap_fraction"] for row in ours_rows))
    figures["worst_violation"] = max(row["violation"] for row in ours_rows)
    return {"figures": figures, "goals": goals}, sheet.rows


def machine() -> str:
    """The machine and versions of the measurement."""
    with_model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line
        ]
        with_model = names[0] if names else with_model
    return f"{with_model}, {os.cpu_count()} CPUs, Python {platform.python_version()}, numpy {np.__version__}"


def draw(rows: list[dict[str, Any]], folder: Path) -> Path:
    """Log-log plot of solve time against nodes, one line per method."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.4, 4.4), layout="constrained")
    at_day = [row for row in rows if row["slots"] == SLOTS]
    for number, method in enumerate(dict.fromkeys(row["method"] for row in at_day)):
        colour = f"C{number}"
        done = sorted(
            (r["nodes"], r["wall_s"]) for r in at_day if r["method"] == method and not r["timed_out"]
        )
        late = sorted((r["nodes"], r["wall_s"]) for r in at_day if r["method"] == method and r["timed_out"])
        if done:
            axes.loglog(*zip(*done, strict=True), marker="o", color=colour, label=method)
        if late:  # named in the legend too, where it finished nowhere
            name = None if done else f"{method} (never finished)"
            axes.loglog(*zip(*late, strict=True), "^", mfc="none", color=colour, label=name)
    axes.set(xlabel="nodes", ylabel="solve time [s]", title=f"{SLOTS} slots; open triangles: stopped there")
    axes.grid(True, which="both", alpha=0.3)
    axes.legend()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "optimiser.png"
    figure.savefig(path, dpi=150)
    pyplot.close(figure)
    return path


def main() -> None:
    made = parser(__doc__, "small sizes: within a minute")
    made.add_argument("--out", type=Path, help="folder for the table (JSON) and the log-log plot")
    arguments = made.parse_args()
    found, rows = measuring(lambda say: run(arguments.quick, say))
    if arguments.out is not None:
        Console(stderr=True).print(f"drew {draw(rows, arguments.out)}")
        (arguments.out / "optimiser.json").write_text(json.dumps(found | {"rows": rows}, indent=1))
    if arguments.json:
        show(found, as_json=True)
        return
    out = Console()
    table = Table("nodes", "slots", "method", "time [s]", "gap", "steps", "peak [GiB]")
    for row in rows:
        time_s = f"> {row['wall_s']:.2f}" if row["timed_out"] else f"{row['wall_s']:.2f}"
        gap = f"{row['gap_fraction']:.1e}" if "gap_fraction" in row else ""
        peak = f"{row['peak_gib']:.2f}" if "peak_gib" in row else ""
        table.add_row(
            str(row["nodes"]), str(row["slots"]), row["method"], time_s, gap, str(row.get("steps", "")), peak
        )
    out.print(table)
    out.print(found["figures"]["machine"])
    show_goals(found, out)


if __name__ == "__main__":
    main()
