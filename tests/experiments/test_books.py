"""The books of a whole run: what its lines round away."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from coordinator.accounting.lifecycle import emitted_pg
from coordinator.ledger import Kind, read_entries
from experiments.cli import invoke
from protos.messages import HOLDERS

DEMO_LIKE = """name = "demo-like"
[stages]
preparation = 1
development = 3
application = 3
recycling = 1
[time]
start = 2022-06-21T16:00:00Z
[task]
name = "mnist-mlp"
data = "digits"
batch_size = 8
batches_per_slot = "pass"
local_epochs = 1
[inference]
arrivals = "poisson"
batches_per_slot = 6
requests_per_batch = 16
latency_target_s = 0.1
[fleet]
kind = "inprocess"
[harvest]
kind = "none"
[battery]
capacity_wh = 0
[[nodes]]
zone = "US-NW-SCL"
[[nodes]]
zone = "US-SE-SOCO"
harvest = { kind = "pv", peak_w = 3 }
battery = { capacity_wh = 20 }
[[nodes]]
zone = "US-NW-WACM"
"""


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run as the demo makes it: sun at one node, work that moves, every stage."""
    folder = tmp_path_factory.mktemp("books")
    (folder / "scenario.toml").write_text(DEMO_LIKE)
    arguments = ["run", str(folder / "scenario.toml"), "--policy", "deta", "--output", str(folder / "run")]
    assert invoke([*arguments, "--no-report"]) == 0
    return folder / "run"


def exact_pg(path: Path) -> Iterator[tuple[dict[str, Any], Fraction]]:
    """Every booked line with its emissions by (L1) of its booked energy, not rounded."""
    entries = [stored.entry for stored in read_entries(path)]
    config = next(entry.body["config"] for entry in entries if entry.kind is Kind.START)
    series = {zone["zone"]: zone["intensity_g_per_kwh"] for zone in config["zones"]}
    for entry in entries:
        if entry.kind not in (Kind.BOOKING, Kind.SLOT_END):
            continue
        assert entry.slot is not None
        for line in entry.body["lines"]:
            ends = [Fraction(series[zone][entry.slot]) for zone in line["zone"].split("+")]
            intensity = sum(ends) / len(ends)
            if line["node_id"] in HOLDERS:
                yield line, emitted_pg(line["energy_uj"], float(intensity))
            else:
                balance = entry.body["balance"]
                share = Fraction(line["energy_uj"], balance["demand_uj"])
                yield line, emitted_pg(balance["grid_uj"], float(intensity)) * share


def test_no_line_rounds_away_a_millionth_of_its_component(run_folder: Path) -> None:
    lines = list(exact_pg(run_folder / "ledger.sqlite"))
    total: dict[str, Fraction] = defaultdict(Fraction)
    for line, exact in lines:
        total[line["component"]] += exact
    assert {"compute", "static", "radio_tx", "radio_rx", "network", "coordinator"} <= set(total)
    for line, exact in lines:
        assert abs(line["operational_pg"] - exact) <= total[line["component"]] / 10**6, line
    for component, exact_total in total.items():
        booked = sum(line["operational_pg"] for line, _ in lines if line["component"] == component)
        assert abs(booked - exact_total) <= exact_total / 10**6, component
    drawn = [line["operational_pg"] for line, _ in lines if line["grid_uj"]]
    assert drawn
    assert min(drawn) > 0
