"""LOCAL's energy beside vessim's: node-slots per CPU second on the same system, and the same grid energy.

Claim:   LOCAL, energy columns in memory, takes a CPU second for at least 12 times as many node-slots as vessim 0.16 at
         10 nodes and 1,000 times at 1,000; grid energy is equal to 1e-12 before it is booked and to a microjoule a
         slot after.
Cost:    a minute or two, of which the books take most; --quick runs each side three times.
Command: python -m benchmarks.energy [--quick] [--json]

The system: nodes with panels of ten zones, batteries without losses (vessim's SimpleBattery has none) and a load of
their own, in slots of an hour. It is resolved from a scenario once, and its floats go to both: to vessim as one
microgrid a node (consumer, producer, battery, grid connection), to LOCAL as arrays. vessim is timed without a recorder
and without being set up; LOCAL (coordinator/market/own_energy.py) with six columns of every slot kept. Both take turns
in one process. Grid energy is compared slot by slot with what a recorder of vessim's saw. Then the same scenario is run
on a virtual fleet, with decisions, checks and ledger: what its books say is compared likewise, summed up to each slot,
for what is rounded in a slot may show in a later one. Without vessim (extras ``dev``,
``peers``) its goals are deferred.
"""

from __future__ import annotations

import importlib
import importlib.util
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks._command import measuring, parser, show
from benchmarks.virtual import ZONES
from coordinator.adapters.flower_server import RunRecord
from coordinator.market.fleet import Floats
from coordinator.market.own_energy import Batteries, OwnEnergy, own_energy
from coordinator.tables.export import export_tables
from edge_node.energy.power_model import PowerModel
from experiments.resolve.resolve import resolve
from experiments.resolve.resolved import Resolved
from experiments.run_folder.files import LEDGER
from experiments.runs.columns import run_columns
from experiments.scenario.model import parse_scenario

HOUR_S = 3600
SIZES = {10: 720, 1000: 72}
"""Slots by nodes."""
TIMES_VESSIM = {10: 12.0, 1000: 1000.0}
BEFORE_BOOKING, UJ_A_SLOT = 1e-12, 1.0
LEAST_S = 0.2
"""CPU seconds for which the quicker side is repeated."""


@dataclass(frozen=True, slots=True)
class System:
    """Nodes by column, (T, N) and (N,), in J a slot of an hour."""

    load_j: Floats
    harvest_j: Floats
    capacity_j: Floats
    stored_j: Floats

    def energy(self) -> OwnEnergy:
        """LOCAL's."""
        one, any_j = np.ones(len(self.capacity_j)), np.full(len(self.capacity_j), np.inf)
        return own_energy(
            self.load_j,
            self.harvest_j,
            Batteries(self.capacity_j, one, one, one, any_j, any_j),
            self.stored_j,
        )


def scenario_text(nodes: int, slots: int) -> str:
    """Ten zones whose panels, batteries and loads differ."""
    parts = [
        f'policy = "local"\n[task]\nname = "none"\n[stages]\ndevelopment = {slots}\n[fleet]\nkind = "virtual"',
        f"[time]\nstart = 2022-06-21T00:00:00Z\nslot_s = {HOUR_S}",
    ]
    for place, zone in enumerate(ZONES):
        parts.append(
            f'[[nodes]]\nzone = "{zone}"\ncount = {nodes // len(ZONES)}\n'
            f"[nodes.harvest]\npeak_w = {10 + 2 * place}\n"
            f"[nodes.battery]\ncapacity_wh = {4 + 2 * place}\ninitial_fraction = 0.5\ncharge_limit_w = 1e6\n"
            "discharge_limit_w = 1e6\ncharge_efficiency_fraction = 1\ndischarge_efficiency_fraction = 1\n"
            "self_discharge_fraction_per_day = 0\n"
            f'[nodes.demand]\nkind = "constant"\npeak_w = {1 + 0.1 * place}'
        )
    return "\n".join(parts)


def system(resolved: Resolved) -> System:
    """What the nodes of a scenario draw and harvest, before anything is rounded to microjoules."""
    load, harvest, capacity, stored = [], [], [], []
    for config in resolved.node_configs("benchmark", "", with_harvest=True):
        board, demand, battery = config.board, config.demand, config.battery
        assert demand is not None
        assert battery is not None
        busy_s = demand.flop_per_batch / board.effective_flop_per_s * np.array(demand.batches)
        load.append(board.static_w * config.slot_s + PowerModel(board).dynamic_w * busy_s)
        harvest.append(np.array(config.harvest.power_w[: len(demand.batches)]) * config.slot_s)
        capacity.append(battery.capacity_j)
        stored.append(battery.capacity_j * battery.initial_fraction)
    return System(
        load_j=np.array(load).T.copy(),
        harvest_j=np.array(harvest).T.copy(),
        capacity_j=np.array(capacity),
        stored_j=np.array(stored),
    )


def booked_grid_j(resolved: Resolved) -> tuple[Floats, float]:
    """(T, N) grid energy as the ledger of a whole run has it, and the CPU seconds of all slots with their books."""
    first = [0.0]

    def opened() -> None:
        first[0] = time.process_time()

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run_columns(resolved, "benchmark", folder, RunRecord(), opened, lambda _: None)
        taken = time.process_time() - first[0]
        export_tables(folder / LEDGER, folder, start=resolved.scenario.time.start, trace_step_s=float(HOUR_S))
        slots = pd.read_parquet(folder / "slots.parquet", columns=["slot", "node_id", "grid_j"])
    grid = slots.pivot_table(index="slot", columns="node_id", values="grid_j", sort=True)
    names = [node.node_id for node in resolved.node_configs("benchmark", "", with_harvest=True)]
    return np.asarray(grid[names], dtype=np.float64), taken


class Vessim:
    """The same system in vessim."""

    def __init__(self) -> None:
        # imported here: vessim belongs to the extras "dev" and "peers", and without it the goals are deferred
        self._vessim = importlib.import_module("vessim")
        importlib.import_module("loguru").logger.disable("vessim")

    def environment(self, given: System) -> Any:
        """A fresh one; it runs once."""
        vessim, (slots, nodes) = self._vessim, given.load_j.shape
        offset_s = HOUR_S * np.arange(slots + 1)

        def trace(joules: Floats) -> Any:
            return vessim.Trace(pd.Series(np.append(joules, joules[-1]) / HOUR_S, index=offset_s))

        made = vessim.Environment(sim_start="2022-06-21", step_size=HOUR_S)
        for node in range(nodes):
            capacity_wh = float(given.capacity_j[node]) / HOUR_S
            soc = float(given.stored_j[node] / given.capacity_j[node])
            made.add_microgrid(
                name=str(node),
                actors=[
                    vessim.Consumer("load", signal=trace(given.load_j[:, node])),
                    vessim.Producer("panel", signal=trace(given.harvest_j[:, node])),
                ],
                dispatchables=[
                    vessim.SimpleBattery("battery", capacity=capacity_wh, initial_soc=soc),
                    vessim.GridConnection(),
                ],
            )
        return made

    def cpu_s(self, given: System) -> float:
        """CPU seconds of a run without a recorder."""
        made = self.environment(given)
        began = time.process_time()
        made.run(until=HOUR_S * len(given.load_j), print_progress=False)
        return time.process_time() - began

    def grid_j(self, given: System) -> Floats:
        """(T, N) bought from the grid, as its recorder saw it."""
        made = self.environment(given)
        recorder = made.add_controller(self._vessim.Recorder())
        made.run(until=HOUR_S * len(given.load_j), print_progress=False)
        nodes = [str(node) for node in range(given.load_j.shape[1])]
        power_w = np.array([[grids[name]["p_grid"] for name in nodes] for grids in recorder.log.values()])
        return HOUR_S * np.maximum(-power_w, 0.0)


def local_cpu_s(given: System) -> float:
    """CPU seconds of LOCAL's columns, mean of as many as fill LEAST_S."""
    count, began = 0, time.process_time()
    while count == 0 or time.process_time() - began < LEAST_S:
        given.energy()
        count += 1
    return (time.process_time() - began) / count


def relative(found_j: Floats, other_j: Floats) -> float:
    """Largest difference of a node in a slot, relative to what the node buys in a mean slot."""
    bought_j = other_j.mean(axis=0)
    assert (bought_j > 0).all(), "a node that buys nothing compares nothing"
    return float((np.abs(found_j - other_j) / bought_j).max())


def uj_a_slot(booked_j: Floats, other_j: Floats) -> float:
    """Largest difference of a node up to a slot, in microjoules for each slot until then."""
    slots = np.arange(1, len(booked_j) + 1)[:, None]
    return float((1e6 * np.abs(np.cumsum(booked_j - other_j, axis=0)) / slots).max())


def goal_names() -> list[str]:
    rates = [f"local_over_vessim_{nodes}" for nodes in SIZES]
    return [*rates, "grid_before_booking_relative", "grid_after_booking_uj_a_slot"]


def run(quick: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure everything: figures, goals, and the goals that cannot be measured without vessim."""
    figures: dict[str, Any] = {}
    vessim = Vessim() if importlib.util.find_spec("vessim") else None
    ratios: dict[int, float] = {}
    before, after = [], []
    for nodes, slots in SIZES.items():
        say(f"{nodes:,} nodes x {slots} slots")
        resolved = resolve(parse_scenario(scenario_text(nodes, slots)))
        given = system(resolved)
        ours = given.energy().grid_j
        booked, booked_s = booked_grid_j(resolved)
        local_cpu_s(given)
        pairs = []
        for _ in range(3 if quick else 7):
            theirs_s = vessim.cpu_s(given) if vessim else None
            pairs.append((theirs_s, local_cpu_s(given)))
        local = nodes * slots / statistics.median(ours_s for _, ours_s in pairs)
        figures[f"local_{nodes}_node_slots_per_cpu_s"] = local
        figures[f"booked_{nodes}_node_slots_per_cpu_s"] = nodes * slots / booked_s
        figures[f"booked_from_columns_{nodes}_uj_a_slot"] = uj_a_slot(booked, ours)
        if vessim is None:
            continue
        found = [(theirs_s, ours_s) for theirs_s, ours_s in pairs if theirs_s is not None]
        rate = nodes * slots / statistics.median(theirs_s for theirs_s, _ in found)
        figures[f"vessim_{nodes}_node_slots_per_cpu_s"] = rate
        figures[f"booked_over_vessim_{nodes}"] = nodes * slots / booked_s / rate
        ratios[nodes] = statistics.median(theirs_s / ours_s for theirs_s, ours_s in found)
        theirs = vessim.grid_j(given)
        before.append(relative(ours, theirs))
        after.append(uj_a_slot(booked, theirs))
    if vessim is None:
        figures["vessim"] = "not installed; the extra peers brings it"
        return {"figures": figures, "goals": {}, "deferred": goal_names()}
    goals = {
        f"local_over_vessim_{nodes}": _goal(">=", TIMES_VESSIM[nodes], ratio)
        for nodes, ratio in ratios.items()
    }
    goals["grid_before_booking_relative"] = _goal("<=", BEFORE_BOOKING, max(before))
    goals["grid_after_booking_uj_a_slot"] = _goal("<=", UJ_A_SLOT, max(after))
    return {"figures": figures, "goals": goals, "deferred": []}


def _goal(op: str, goal: float, value: float) -> dict[str, Any]:
    return {"op": op, "goal": goal, "value": value, "met": value >= goal if op == ">=" else value <= goal}


def main() -> None:
    arguments = parser(__doc__, "each side three times: about a minute").parse_args()
    show(measuring(lambda say: run(arguments.quick, say)), arguments.json)


if __name__ == "__main__":
    main()
