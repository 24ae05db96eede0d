"""Runs whose updates are masked: the same model to rounding, bytes that are booked, a node that is killed in
mid-round."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from coordinator.adapters.flower_masked import MaskedSum
from edge_node.config import TaskConfig
from edge_node.tasks.build import build_workload
from edge_node.tasks.evaluation import initial_parameters
from experiments.cli import invoke
from protos.masking.masks import error_bound, scale_bits
from tests.boards.loopback import loopback_boards
from tests.scenarios import learning_scenario

NODES, BATCHES, BATCH = 4, 3, 16
IN_PROCESS, PER_NODE = 'kind = "inprocess"', 'kind = "ray"\nprocesses = "per-node"'
MASKED = "[task.privacy]\nsecure_aggregation = true"


def text(privacy: str, rounds: int = 1, fleet: str = IN_PROCESS, nodes: int = NODES) -> str:
    told: dict[str, Any] = {"rounds": rounds, "fleet": fleet, "nodes": nodes, "batches": BATCHES}
    return learning_scenario(privacy, tables='[harvest]\nkind = "none"', **told)


def run(folder: Path, privacy: str, rounds: int = 1) -> Path:
    path, made = folder / "scenario.toml", folder / f"run-{len(list(folder.iterdir()))}"
    path.write_text(text(privacy, rounds))
    assert invoke(["run", str(path), "-o", str(made), "--no-report"]) == 0
    assert invoke(["ledger", "verify", str(made)]) == 0
    return made


def model(folder: Path) -> dict[str, Any]:
    return {name.split("/")[1]: array for name, array in load_file(folder / "model.safetensors").items()}


def bound(nodes: int) -> float:
    """Of the mean of that many nodes: their rounding, and one of float32."""
    most = BATCHES * BATCH
    bits = scale_bits(NODES * most, NODES)
    return error_bound(nodes, nodes * most, bits) + 2e-7


def total(folder: Path, table: str, column: str, **where: str) -> float:
    rows = pd.read_parquet(folder / f"{table}.parquet")
    for name, value in where.items():
        rows = rows[rows[name] == value]
    return float(rows[column].sum())


def test_the_model_is_that_of_plain_sums_and_keys_and_shares_are_booked(tmp_path: Path) -> None:
    plain, masked = run(tmp_path, ""), run(tmp_path, MASKED)
    expected, found = model(plain), model(masked)
    furthest = max(float(np.abs(found[name] - expected[name]).max()) for name in expected)
    assert 0 < furthest <= bound(NODES)
    # Numbers are eight bytes, a key 32, a sealed pair of shares 2 x 66 + 16.
    n, key, sealed = NODES, 32, 2 * 66 + 16
    keys_out = 2 * key + 8
    shares_in, shares_out = n * (8 + 2 * key) + 8, (n - 1) * (8 + sealed)
    terms_in = (n - 1) * (8 + sealed) + 16
    unmask_in, unmask_out = n * 8, n * (8 + 66)
    more = keys_out + shares_in + shares_out + terms_in + unmask_in + unmask_out
    assert total(masked, "slots", "model_bytes") - total(plain, "slots", "model_bytes") == n * more
    for component in ("compute", "radio_tx", "radio_rx", "network", "coordinator"):
        assert total(masked, "lines", "energy_j", component=component) > total(
            plain, "lines", "energy_j", component=component
        )


def test_rounds_repeat_and_go_on(tmp_path: Path) -> None:
    plain, masked = run(tmp_path, "", rounds=3), run(tmp_path, MASKED, rounds=3)
    accuracy = [
        pd.read_parquet(made / "rounds.parquet")["test_accuracy"].iloc[-1] for made in (plain, masked)
    ]
    assert accuracy[0] == pytest.approx(accuracy[1], abs=0.02)
    assert pd.read_parquet(masked / "rounds.parquet")["participants"].tolist() == [NODES] * 3


def agreed(monkeypatch: pytest.MonkeyPatch, then: Callable[[], None]) -> list[int]:
    """Have ``then`` done once all masks are agreed, before any update is asked for; empty until it was."""
    agree, done = MaskedSum.agree, []

    def with_more(masked: MaskedSum) -> list[int]:
        found = agree(masked)
        if not done:
            done.append(1)
            then()
        return found

    monkeypatch.setattr(MaskedSum, "agree", with_more)
    return done


def assert_mean_of(folder: Path, places: Sequence[int], nodes: int) -> None:
    """The model is the plain mean of these nodes' trainings, up to the rounding of masked numbers."""
    begun = initial_parameters("mnist-mlp", 0)
    updates = []
    for place in places:
        config = TaskConfig(
            name="mnist-mlp",
            data="digits",
            batch_size=BATCH,
            batches_per_slot=BATCHES,
            local_epochs=1,
            learning_rate=0.1,
            partitions=nodes,
            partition_index=place,
        )
        workload = build_workload(config)
        trained = workload.train(begun, [workload.batch(k, "development") for k in range(BATCHES)], {})
        updates.append((trained.num_examples, trained.parameters))
    weight = sum(count for count, _ in updates)
    found = model(folder)
    for name in begun:
        expected = sum(count * parameters[name].astype(float) for count, parameters in updates) / weight
        assert np.abs(found[name] - expected).max() <= bound(len(places))


@pytest.mark.processes
def test_a_node_that_is_killed_after_it_shared_is_taken_out_of_the_sum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process is killed when all masks are agreed, before it sends its update: the masks that the others share with
    it are found from their shares, and the model is the mean of the others."""

    def kill() -> None:
        (made,) = [
            path for path in tmp_path.iterdir() if path.is_dir() and (path / "processes.json").exists()
        ]
        pids = json.loads((made / "processes.json").read_text())
        os.kill(pids[sorted(name for name in pids if name != "coordinator")[1]], signal.SIGKILL)

    done = agreed(monkeypatch, kill)
    folder = tmp_path / "run"
    (tmp_path / "scenario.toml").write_text(text(MASKED, fleet=PER_NODE))
    code = invoke(["run", str(tmp_path / "scenario.toml"), "-o", str(folder), "--no-report"])
    assert done
    assert invoke(["ledger", "verify", str(folder)]) == 0
    assert pd.read_parquet(folder / "rounds.parquet")["participants"].tolist() == [NODES - 1], code
    assert_mean_of(folder, (0, 2, 3), NODES)


@pytest.mark.processes
def test_a_daemon_that_is_killed_after_it_shared_is_taken_out_of_the_sum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Likewise over mutual TLS."""
    folder = tmp_path / "run"
    with loopback_boards(tmp_path, NODES) as (boards, fleet):
        done = agreed(monkeypatch, lambda: boards.processes["n1"].kill())
        (tmp_path / "scenario.toml").write_text(text(MASKED, fleet=fleet))
        code = invoke(["run", str(tmp_path / "scenario.toml"), "-o", str(folder), "--no-report"])
    assert done
    assert invoke(["ledger", "verify", str(folder)]) == 0
    assert pd.read_parquet(folder / "rounds.parquet")["participants"].tolist() == [NODES - 1], code
    assert_mean_of(folder, (0, 2, 3), NODES)


@pytest.mark.parametrize("nodes", [NODES, 3])
def test_a_round_with_two_answers_makes_no_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nodes: int
) -> None:
    """Of two each would know the other's update from the sum, also where 0.6 of three nodes are two."""
    collect = MaskedSum.collect

    def with_two_answers(masked: MaskedSum, replies: Any, values: int) -> float:
        return collect(masked, list(replies)[:2], values)

    monkeypatch.setattr(MaskedSum, "collect", with_two_answers)
    path = tmp_path / "scenario.toml"
    path.write_text(text(MASKED, nodes=nodes))
    invoke(["run", str(path), "-o", str(tmp_path / "run"), "--no-report"])
    found, begun = model(tmp_path / "run"), initial_parameters("mnist-mlp", 0)
    for name in begun:
        np.testing.assert_array_equal(found[name], begun[name])


@pytest.mark.parametrize(
    ("privacy", "nodes", "policy", "sentence"),
    [
        (MASKED, 2, "local", "needs 3 nodes or more"),
        (MASKED, 4, "deta", "shows its examples to another node"),
        (MASKED + "\nthreshold_fraction = 0.5", 4, "local", "threshold_fraction"),
        ('strategy = "krum"\n' + MASKED, 4, "local", "takes no plain mean"),
        ('name = "mnist-mlp-bn"\n' + MASKED, 4, "local", "is a statistic and no weight"),
        ('[task.privacy]\nkind = "local"\nclipping_norm = 0', 4, "local", "clipping_norm"),
        (MASKED, 4, "random", "policy random chooses 2 of 4: give more nodes or policy_options.clients"),
        ('[task.privacy]\nkind = "local"\nnoise_multiplier = 1e6', 4, "local", "allowed is 10,"),
        ('[task.privacy]\nkind = "central"\nclipping_norm = 1e6', 4, "local", "lower noise_multiplier"),
        ('[task.privacy]\nkind = "central"\ndelta = 0.5', 4, "local", "lower delta"),
        (MASKED + '\nkind = "local"\nnoise_multiplier = 2', 4, "local", "under masks 8 can be sent"),
    ],
)
def test_what_would_not_protect_is_refused_before_the_start(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    privacy: str,
    nodes: int,
    policy: str,
    sentence: str,
) -> None:
    path = tmp_path / "scenario.toml"
    path.write_text(text(privacy, nodes=nodes).replace('policy = "local"', f'policy = "{policy}"'))
    assert invoke(["check", str(path)]) == 2
    assert sentence in capsys.readouterr().err
