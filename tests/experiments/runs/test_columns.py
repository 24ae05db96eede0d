"""A virtual fleet against a fleet in one process: every table of a run, to the last unit."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from coordinator.negotiation.table import Negotiating
from coordinator.policies.registry import POLICIES, make_policy
from coordinator.tables.schema import TABLES
from experiments.fleet.inprocess import InProcessFleet
from experiments.fleet.virtual import VirtualFleet
from experiments.resolve.resolve import resolve
from experiments.run_folder.verify import verify_run
from experiments.runs.run import execute
from experiments.scenario.model import Scenario, parse_scenario

ZONES = ("DE", "FR", "US-NW-SCL", "US-SE-SOCO", "SE-SE3", "PL")
COLUMN_POLICIES = sorted(name for name in POLICIES if not isinstance(make_policy(name), Negotiating))


def drawn(seed: int, policy: str) -> Scenario:
    """A small scenario without learning, in which every figure may take any value."""
    rng = random.Random(seed)
    q = rng.choice((0, 0, 1, 2))
    forecast = rng.choice(("perfect", "perfect", "persistence", "gaussian", "clear-sky"))
    parts = [
        f'name = "drawn"\npolicy = "{policy}"\nseed = {seed}\n[task]\nname = "none"',
        f"[stages]\ndevelopment = {rng.randint(1, 7)}",
        f"[time]\nstart = 2022-06-21T{rng.randint(0, 23):02d}:00:00Z\nslot_s = {rng.choice((3600.0, 311.7))}",
        f'[forecast]\nkind = "{forecast}"',
        f"[limits]\ndeadline_slots = {q}\nmay_sleep = {str(rng.random() < 0.3).lower()}",
        f"offload_cap_fraction = {rng.choice((0.0, 0.5, 1.0))}",
        f"transfer_cap_fraction = {rng.choice((0.0, 0.5, 1.0))}",
        f'transfer_cap_over = "{rng.choice(("slot", "horizon"))}"',
        f"[network]\nexport_loss_fraction = {rng.choice((0.0, 0.025, 0.1))}\nimport_loss_fraction = 0.0333",
        f"router_w = {rng.choice((0.0, 3.7))}\nnet_j_per_byte = {rng.choice((0.0, 4.1e-6))}",
        f"[coordinator]\nhorizon_slots = {rng.randint(1, 4)}\n[tolerance]\nunserved_fraction = 1.0",
        # A parcel of more than protos.validation.MAX_PARCEL_BYTES fails between nodes; rows send none.
        f"[demand]\nbytes_per_batch = {rng.choice((1, 40_000, 300_000))}",
    ]
    for _ in range(rng.randint(1, 5)):
        parts.append(f'[[nodes]]\nzone = "{rng.choice(ZONES)}"\ncount = {rng.randint(1, 2)}')
        parts.append(f'[nodes.harvest]\nkind = "pv"\npeak_w = {rng.choice((0.0, 3.0, 17.3, 40.0))}')
        parts.append(
            f"[nodes.battery]\ncapacity_wh = {rng.choice((0.0, 0.4, 11.0))}\ninitial_fraction = {rng.random():.3f}\n"
            f"charge_efficiency_fraction = {rng.uniform(0.7, 1.0):.4f}\n"
            f"discharge_efficiency_fraction = {rng.uniform(0.7, 1.0):.4f}\n"
            f"self_discharge_fraction_per_day = {rng.choice((0.0, 0.001, 0.3))}\n"
            f"charge_limit_w = {rng.choice((0.7, 5.0, 30.0))}\ndischarge_limit_w = {rng.choice((0.9, 6.0, 30.0))}"
        )
        parts.append(
            f"[nodes.board]\nsleep_w = {rng.uniform(0.1, 0.9):.3f}\nwake_j = {rng.uniform(0.0, 30.0):.3f}\n"
            f"storage_bytes = {rng.choice((0, 1_000_000, 10**9))}\ntx_j_per_byte = {rng.choice((0.0, 3e-7))}\n"
            "rx_j_per_byte = 1.1e-7"
        )
        if rng.random() < 0.5:
            parts.append(f"[nodes.demand]\nbusy_fraction = {rng.uniform(0.0, 1.0):.3f}")
        else:
            parts.append(f'[nodes.demand]\nkind = "constant"\npeak_w = {rng.uniform(0.0, 3.0):.3f}')
    return parse_scenario("\n".join(parts))


def both_ways(scenario: Scenario, folder: Path) -> tuple[Path, Path]:
    """The run on both fleets; a scenario that is refused or fails must be on both."""
    resolved = resolve(scenario)
    one = execute(resolved, folder / "rows", VirtualFleet())
    with InProcessFleet() as fleet:
        other = execute(resolved, folder / "nodes", fleet)
    return one, other


def assert_the_same(scenario: Scenario, folder: Path) -> None:
    rows, nodes = both_ways(scenario, folder)
    for name in TABLES:
        one, other = ((run / f"{name}.parquet").read_bytes() for run in (rows, nodes))
        assert one == other, f"{name} of {folder}"
    assert verify_run(rows)["findings"] == []
    assert verify_run(nodes)["findings"] == []


@pytest.mark.parametrize("policy", COLUMN_POLICIES)
def test_every_table_is_that_of_a_fleet_in_one_process(policy: str, tmp_path: Path) -> None:
    assert_the_same(drawn(COLUMN_POLICIES.index(policy), policy), tmp_path)


def test_every_table_of_a_fleet_that_moves_trades_sleeps_and_waits(tmp_path: Path) -> None:
    assert_the_same(drawn(109, "deta"), tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("policy", COLUMN_POLICIES)
def test_in_many_drawn_scenarios(policy: str, tmp_path: Path) -> None:
    for seed in range(100, 140):
        assert_the_same(drawn(seed, policy), tmp_path / str(seed))
