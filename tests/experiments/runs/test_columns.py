"""A virtual fleet against a fleet in one process: every table of a run, to the last unit."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from coordinator.negotiation.table import Negotiating
from coordinator.policies.registry import POLICIES, make_policy
from coordinator.tables.schema import TABLES
from experiments.fleet.inprocess import InProcessFleet
from experiments.fleet.virtual import VirtualFleet
from experiments.resolve.resolve import resolve
from experiments.run_folder.verify import verify_run
from experiments.runs.run import execute
from experiments.scenario.model import Scenario, parse_scenario
from experiments.scenario.places import SleepSpec

ZONES = ("DE", "FR", "US-NW-SCL", "US-SE-SOCO", "SE-SE3", "PL")
COLUMN_POLICIES = sorted(name for name in POLICIES if not isinstance(make_policy(name), Negotiating))


def drawn(seed: int, policy: str) -> Scenario:
    """A small scenario without learning, in which every figure may take any value."""
    rng = random.Random(seed)
    parts = [f'name = "drawn"\npolicy = "{policy}"\nseed = {seed}\n[task]\nname = "none"', *system(rng)]
    # A parcel of more than protos.validation.MAX_PARCEL_BYTES fails between nodes; rows send none.
    parts.append(f"[demand]\nbytes_per_batch = {rng.choice((1, 40_000, 300_000))}")
    for _ in range(rng.randint(1, 5)):
        parts += node(rng)
        if rng.random() < 0.5:
            parts.append(f"[nodes.demand]\nbusy_fraction = {rng.uniform(0.0, 1.0):.3f}")
        else:
            parts.append(f'[nodes.demand]\nkind = "constant"\npeak_w = {rng.uniform(0.0, 3.0):.3f}')
    return parse_scenario("\n".join(parts))


def learning(
    seed: int, policy: str, strategy: str = "", task: str = "mnist-mlp", data: str = "digits"
) -> Scenario:
    """A small scenario with learning; ``strategy``: drawn where none is given."""
    rng = random.Random(seed)
    chosen = strategy or rng.choice(("fedavg", "fedavg", "fedprox", "fedadam", "fedavgm", "fedmedian"))
    options = {"fedprox": "strategy_options = { proximal_mu = 0.3 }"}.get(chosen, "")
    parts = [
        f'name = "drawn"\npolicy = "{policy}"\nseed = {seed}\n[task]\nname = "{task}"\ndata = "{data}"',
        f'strategy = "{chosen}"\n{options}\nbatch_size = {rng.choice((3, 16, 40))}',
        f"batches_per_slot = {rng.randint(1, 7)}\nlocal_epochs = {rng.randint(1, 2)}",
        f'learning_rate = {rng.choice((0.01, 0.1))}\npartition = "{rng.choice(("iid", "dirichlet"))}"',
        *system(rng),
    ]
    for _ in range(rng.randint(1, 4)):
        parts += node(rng)
    return parse_scenario("\n".join(parts))


def system(rng: random.Random) -> list[str]:
    """All tables but the task and the nodes."""
    q = rng.choice((0, 0, 1, 2))
    forecast = rng.choice(("perfect", "perfect", "persistence", "gaussian", "clear-sky"))
    return [
        f"[stages]\npreparation = 0\ndevelopment = {rng.randint(1, 7)}\napplication = 0\nrecycling = 0",
        f"[time]\nstart = 2022-06-21T{rng.randint(0, 23):02d}:00:00Z\nslot_s = {rng.choice((3600.0, 311.7))}",
        f'[forecast]\nkind = "{forecast}"',
        f"[limits]\ndeadline_slots = {q}\nmay_sleep = {str(rng.random() < 0.3).lower()}",
        f"offload_cap_fraction = {rng.choice((0.0, 0.5, 1.0))}",
        f"transfer_cap_fraction = {rng.choice((0.0, 0.5, 1.0))}",
        f'transfer_cap_over = "{rng.choice(("slot", "horizon"))}"',
        f"[network]\nexport_loss_fraction = {rng.choice((0.0, 0.025, 0.1))}\nimport_loss_fraction = 0.0333",
        f"router_w = {rng.choice((0.0, 3.7))}\nnet_j_per_byte = {rng.choice((0.0, 4.1e-6))}",
        f"[coordinator]\nhorizon_slots = {rng.randint(1, 4)}\n[tolerance]\nunserved_fraction = 1.0",
    ]


def node(rng: random.Random) -> list[str]:
    """One or two nodes."""
    return [
        f'[[nodes]]\nzone = "{rng.choice(ZONES)}"\ncount = {rng.randint(1, 2)}',
        f'[nodes.harvest]\nkind = "pv"\npeak_w = {rng.choice((0.0, 3.0, 17.3, 40.0))}',
        f"[nodes.battery]\ncapacity_wh = {rng.choice((0.0, 0.4, 11.0))}\ninitial_fraction = {rng.random():.3f}\n"
        f"charge_efficiency_fraction = {rng.uniform(0.7, 1.0):.4f}\n"
        f"discharge_efficiency_fraction = {rng.uniform(0.7, 1.0):.4f}\n"
        f"self_discharge_fraction_per_day = {rng.choice((0.0, 0.001, 0.3))}\n"
        f"charge_limit_w = {rng.choice((0.7, 5.0, 30.0))}\ndischarge_limit_w = {rng.choice((0.9, 6.0, 30.0))}",
        f"[nodes.board]\nsleep_w = {rng.uniform(0.1, 0.9):.3f}\nwake_j = {rng.uniform(0.0, 30.0):.3f}\n"
        f"storage_bytes = {rng.choice((0, 1_000_000, 10**9))}\ntx_j_per_byte = {rng.choice((0.0, 3e-7))}\n"
        "rx_j_per_byte = 1.1e-7",
    ]


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
        paths = [run / f"{name}.parquet" for run in (rows, nodes)]
        one, other = (path.read_bytes() if path.exists() else None for path in paths)
        assert one == other, f"{name} of {folder}"
    assert verify_run(rows)["findings"] == []
    assert verify_run(nodes)["findings"] == []


@pytest.mark.parametrize("policy", COLUMN_POLICIES)
def test_every_table_is_that_of_a_fleet_in_one_process(policy: str, tmp_path: Path) -> None:
    assert_the_same(drawn(COLUMN_POLICIES.index(policy), policy), tmp_path)


def test_every_table_of_a_fleet_that_moves_trades_sleeps_and_waits(tmp_path: Path) -> None:
    assert_the_same(drawn(109, "deta"), tmp_path)


def test_every_table_of_a_fleet_in_which_only_some_can_sleep(tmp_path: Path) -> None:
    """The first entry's nodes cannot: they are awake throughout, and the others are not."""
    found = drawn(109, "deta")
    first, *others = found.nodes
    some = found.model_copy(
        update={"nodes": (first.model_copy(update={"sleep": SleepSpec(kind="none")}), *others)}
    )
    assert_the_same(some, tmp_path)
    slots, nodes = (pd.read_parquet(tmp_path / "rows" / f"{name}.parquet") for name in ("slots", "nodes"))
    awake = slots.groupby("node_id")["awake"].all()
    assert nodes["sleep"].tolist() == ["none"] * first.count + ["modelled"] * (len(nodes) - first.count)
    assert awake.iloc[: first.count].all()
    assert not awake.iloc[first.count :].all()


def assert_it_learns_the_same(scenario: Scenario, folder: Path) -> None:
    """Energy, work and grams to the last unit; loss and weights to 1e-4."""
    assert_the_same(scenario, folder)
    rows, nodes = (pd.read_parquet(folder / name / "rounds.parquet") for name in ("rows", "nodes"))
    exact = ["round", "slot", "stage", "participants", "num_examples", "cumulative_g"]
    pd.testing.assert_frame_equal(rows[exact], nodes[exact])
    for name in ("train_loss", "test_loss"):
        one, other = (rounds[name].astype(float) for rounds in (rows, nodes))
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-4)
    mine, theirs = (load_file(folder / name / "model.safetensors") for name in ("rows", "nodes"))
    assert list(mine) == list(theirs)
    for name, weights in mine.items():
        np.testing.assert_allclose(weights, theirs[name], rtol=0, atol=1e-4)


@pytest.mark.parametrize("policy", COLUMN_POLICIES)
def test_nodes_learn_the_same_and_book_the_same(policy: str, tmp_path: Path) -> None:
    assert_it_learns_the_same(learning(COLUMN_POLICIES.index(policy), policy), tmp_path)


def test_in_one_process_rounds_and_weights_are_the_same_to_the_bit(tmp_path: Path) -> None:
    assert_it_learns_the_same(learning(3, "deta", "fedavg"), tmp_path)
    for name in ("rounds.parquet", "model.safetensors"):
        assert (tmp_path / "rows" / name).read_bytes() == (tmp_path / "nodes" / name).read_bytes()


@pytest.mark.parametrize(
    "strategy", ["fedprox", "fedavgm", "fedadam", "fedyogi", "fedadagrad", "fedmedian", "krum", "qfedavg"]
)
def test_strategies_that_average_and_those_that_need_single_updates(strategy: str, tmp_path: Path) -> None:
    assert_it_learns_the_same(learning(5, "deta", strategy), tmp_path)


@pytest.mark.parametrize(
    ("task", "data"),
    [
        ("mnist-cnn", "digits"),
        pytest.param("shakespeare-lstm-plain", "pydoc", marks=pytest.mark.long),
        pytest.param("tiny-gpt", "pydoc", marks=pytest.mark.long),
    ],
)
def test_other_tasks(task: str, data: str, tmp_path: Path) -> None:
    assert_it_learns_the_same(learning(11, "deta", "fedavg", task, data), tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("policy", COLUMN_POLICIES)
def test_learning_in_many_drawn_scenarios(policy: str, tmp_path: Path) -> None:
    for seed in range(100, 130):
        assert_it_learns_the_same(learning(seed, policy), tmp_path / str(seed))


@pytest.mark.long
@pytest.mark.parametrize("policy", COLUMN_POLICIES)
def test_in_many_drawn_scenarios(policy: str, tmp_path: Path) -> None:
    for seed in range(100, 140):
        assert_the_same(drawn(seed, policy), tmp_path / str(seed))
