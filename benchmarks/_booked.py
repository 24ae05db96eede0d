"""Worlds of benchmarks._worlds as scenarios of complete runs: nodes that train, a coordinator, a ledger."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._worlds import DAY, SLOTS
from carbon_data.units import JOULES_PER_KWH
from coordinator.simulator.simulate import World

START = datetime(2022, 6, 21, tzinfo=UTC)
FLOP_PER_BATCH = 8 * 3 * 2 * 159_010.0
"""Operations of a batch of eight for the MLP (159,010 parameters, forward and twice backward), rounded: the boards are
made slow enough that it takes them the seconds of the world's batches."""


def scenario_text(world: World, folder: Path) -> str:
    """The world as a scenario, with its traces next to it; the work is that of the packaged digits."""
    fleet = world.fleet
    peak_w = max(float(fleet.harvest_j.max()) / fleet.slot_s, 1e-9)
    intensity, harvest = (np.hstack([part, part[:, -DAY:]]) for part in (world.intensity(), world.harvest()))
    rows, sun = ["timestamp,zone,gCO2e_per_kWh"], ["timestamp,zone,share"]
    for node in range(fleet.size):
        for hour in range(intensity.shape[1]):
            stamp = (START + timedelta(hours=hour - world.lead_in)).isoformat()
            rows.append(f"{stamp},Z{node},{float(intensity[node, hour])!r}")
            sun.append(f"{stamp},Z{node},{float(harvest[node, hour]) / fleet.slot_s / peak_w!r}")
    (folder / "intensity.csv").write_text("\n".join(rows) + "\n")
    (folder / "harvest.csv").write_text("\n".join(sun) + "\n")
    limits = fleet.limits
    nodes = "\n".join(_node(world, node, peak_w) for node in range(fleet.size))
    return f"""name = "world"
[time]
start = {START.isoformat().replace("+00:00", "Z")}
slot_s = {fleet.slot_s}
scale_storage = false
[stages]
preparation = 0
development = {SLOTS}
application = 0
recycling = 0
[task]
name = "mnist-mlp"
data = "digits"
batch_size = 8
batches_per_slot = 20
local_epochs = 1
[intensity]
source = "trace"
path = "intensity.csv"
options = {{ signal = "average", scope = "life-cycle" }}
[limits]
offload_cap_fraction = {limits.offload_cap_fraction}
transfer_cap_fraction = {limits.transfer_cap_fraction}
[network]
net_j_per_byte = {limits.net_j_per_byte}
export_loss_fraction = {1.0 - float(fleet.export_efficiency.mean())}
import_loss_fraction = {1.0 - float(fleet.import_efficiency.mean())}
[fleet]
kind = "inprocess"
{nodes}
"""


def _node(world: World, node: int, peak_w: float) -> str:
    fleet = world.fleet
    flop_per_s = FLOP_PER_BATCH / float(fleet.seconds_per_batch[node, 0])
    capacity_wh = float(fleet.battery_capacity_j[node]) / JOULES_PER_KWH * 1000.0
    return f"""[[nodes]]
zone = "Z{node}"
board = {{ static_w = 2.7, busy_w = 6.4, effective_flop_per_s = {flop_per_s} }}
battery = {{ capacity_wh = {capacity_wh!r}, initial_fraction = 0.5, charge_limit_w = 8.0, discharge_limit_w = 8.0 }}
[nodes.harvest]
kind = "trace"
path = "harvest.csv"
region = "Z{node}"
peak_w = {peak_w!r}
options = {{ column = "share" }}"""


def compare(world: World, folder: Path, policies: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """``detabed compare`` on the world: by policy, grams of (D0) and the bound, from the books."""
    path = folder / "world.toml"
    path.write_text(scenario_text(world, folder))
    command = [sys.executable, "-c", "from experiments.cli import main; main()", "compare", str(path)]
    command += ["--policies", ",".join(policies), "--seeds", "1", "--no-report", "--json"]
    done = subprocess.run(
        [*command, "--output", str(folder / "runs")], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"detabed compare ended with {done.returncode}: {done.stderr[-2000:]}")
    found = json.loads(done.stdout)["policies"]
    return {
        name: {
            "comparable_g": found[name]["comparable_g"][0],
            "bound_g": found[name]["bound_g"][0],
            "unserved_batches": found[name]["unserved_batches"][0],
        }
        for name in policies
    }
