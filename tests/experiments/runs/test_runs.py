"""The ledger of a whole run: rounding errors, energy of bits, planned and used energy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from coordinator.accounting.lifecycle import emitted_pg
from coordinator.ledger import Kind, read_entries
from experiments.cli import invoke
from experiments.resolve.foresight import whole_run
from experiments.resolve.prepare import open_scenario
from experiments.resolve.resolve import resolve
from protos.messages.terms import HOLDERS

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
batches_per_slot = 6
requests_per_batch = 16
[network]
transport = "wifi-low"    # where work moves
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


def bodies(folder: Path, kind: Kind) -> list[tuple[int, str, dict[str, Any]]]:
    found = [stored.entry for stored in read_entries(folder / "ledger.sqlite") if stored.entry.kind is kind]
    return [(int(entry.slot or 0), entry.node_id, dict(entry.body)) for entry in found]


def test_every_bit_that_is_counted_was_sent_carried_and_received(run_folder: Path) -> None:
    """(T1) counts the bits that were booked for devices, network and nodes, each once, including moved batches."""
    tables = {
        name: pd.read_parquet(run_folder / f"{name}.parquet")
        for name in ("lines", "slots", "nodes", "batch_flows")
    }
    slots, lines, nodes = tables["slots"], tables["lines"], tables["nodes"].set_index("node_id")
    resolved = resolve(open_scenario(str(run_folder / "scenario.toml")))
    net = resolved.net_j_per_byte
    flows = tables["batch_flows"].merge(slots[["slot", "stage"]].drop_duplicates(), on="slot")
    assert (flows.stage == "application").any()  # some answers came from another node than was asked
    traffic = [
        (slot, node, each) for slot, node, body in bodies(run_folder, Kind.USAGE) for each in body["users"]
    ]
    counted = slots.groupby("stage").bits.sum()
    for stage in ("preparation", "development", "application", "recycling"):
        own = [(node, each) for _, node, each in traffic if each["stage"] == stage]
        up = sum(each["up_bytes"] for _, each in own)
        down = sum(each["down_bytes"] for _, each in own)
        if stage != "preparation":  # data to be prepared are received, and no delivered bits
            assert 8 * (up + down) == counted[stage]

        def joules(holder: str, component: str, stage: str = stage) -> float:
            chosen = (lines.stage == stage) & (lines.component == component)
            chosen &= lines.node_id.isin(nodes.index) if holder == "nodes" else lines.node_id == holder
            return float(lines[chosen].energy_j.sum())

        def of(name: str, way: str, own: Any = own, by: str = "owner") -> float:
            ends = [(each["owner"] if by == "owner" else node, each[f"{way}_bytes"]) for node, each in own]
            return sum(float(nodes.loc[end, name]) * size for end, size in ends)

        assert joules("devices", "radio_tx") == pytest.approx(of("tx_j_per_byte", "up"), rel=1e-6, abs=2e-5)
        assert joules("devices", "radio_rx") == pytest.approx(of("rx_j_per_byte", "down"), rel=1e-6, abs=2e-5)
        served = slots[slots.stage == stage]
        models, moved = served.model_bytes.sum(), flows[flows.stage == stage].payload_bytes.sum()
        carried = (up + down + models + moved) * net
        assert joules("network", "network") == pytest.approx(carried, rel=1e-6)
        model_rx = served.model_bytes if stage == "application" else served.model_bytes / 2
        for component, way, ours, end in (
            ("radio_rx", "up", model_rx, "executor"),
            ("radio_tx", "down", served.model_bytes - model_rx, "owner"),
        ):
            name = component.removeprefix("radio_") + "_j_per_byte"
            radio = of(name, way, by="node")
            radio += (
                ours.to_numpy(dtype=float) * nodes.loc[served.node_id, name].to_numpy(dtype=float)
            ).sum()
            ends = flows[flows.stage == stage]
            radio += (ends.payload_bytes.to_numpy() * nodes.loc[ends[end], name].to_numpy(dtype=float)).sum()
            assert joules("nodes", component) == pytest.approx(radio, rel=1e-6, abs=2e-5)
    assert {each["stage"] for _, _, each in traffic} == {"preparation", "application"}


def test_a_moved_batch_comes_from_its_owners_users_and_is_answered_from_where_it_ran(
    run_folder: Path,
) -> None:
    moved = 0
    for _, node, usage in bodies(run_folder, Kind.USAGE):
        ran = {executed["owner"]: executed["batches"] for executed in usage["executed"]}
        sent = sum(each["batches"] for each in usage["moved"] if each["sent"])
        for each in usage["users"]:
            if each["stage"] != "application":
                continue
            if each["owner"] == node:
                assert each["up_bytes"] == (ran.get(node, 0) + sent) * 16 * 784
                assert each["down_bytes"] == ran.get(node, 0) * 16
            else:
                moved += 1
                assert (each["up_bytes"], each["down_bytes"]) == (0, ran[each["owner"]] * 16)
    assert moved


def test_what_is_planned_for_a_decision_is_what_it_draws(run_folder: Path) -> None:
    """Right side of (D1) from the nodes' profiles and the executed batches equals the metered joules."""
    slots = pd.read_parquet(run_folder / "slots.parquet")
    fleet = whole_run(resolve(open_scenario(str(run_folder / "scenario.toml"))))
    assert fleet.model_j is not None
    assert fleet.request_j is not None
    assert (fleet.request_j[:, -3] > 0).all()  # application

    def column(name: str) -> Any:
        return slots.pivot(index="node_id", columns="slot", values=name).to_numpy(dtype=float)

    ran, guests, away = column("executed_batches"), column("guest_batches"), column("offloaded_batches")
    assert (guests[:, 4:7] > 0).any()
    planned = (
        fleet.slot_s * fleet.static_w[:, None]
        + fleet.joules_per_batch * ran
        + fleet.guest_j() * guests
        + fleet.owner_j() * away
        + fleet.model_j * (ran > 0)
    )
    np.testing.assert_allclose(column("demand_j"), planned, atol=1e-5)
