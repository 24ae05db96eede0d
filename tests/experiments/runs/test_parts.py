"""Runs of split and vertical training: the model, the books, and what crosses the network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from flwr.app import Array, ArrayRecord, Message, RecordDict
from safetensors.numpy import load_file

from edge_node.adapters.flower_private import bind_identity
from edge_node.tasks.build import build_workload
from edge_node.tasks.parts.columns import ColumnWorkload
from edge_node.tasks.registry import find_task
from experiments.cli import invoke
from experiments.fleet.inprocess import InProcessGrid
from experiments.resolve.prepare import open_scenario
from experiments.resolve.resolve import resolve
from experiments.runs.parts import PutTogether, division_of
from protos.messages.terms import Stage

SCENARIO = """name = "parts"
policy = "{policy}"
[time]
start = 2022-06-21T12:00:00Z
[stages]
preparation = 1
development = 3
application = 0
recycling = {recycling}
[limits]
offload_cap_fraction = 0
[task]
name = "{task}"
data = "digits"
batch_size = 16
batches_per_slot = 3
local_epochs = 1
{extra}
[training]
{training}
[coordinator]
lease_s = 120
[fleet]
kind = "{fleet}"
[[nodes]]
zone = "US-NW-SCL"
[[nodes]]
zone = "US-SE-SOCO"
[[nodes]]
zone = "US-NW-WACM"
"""
PLAIN = {"policy": "local", "task": "mnist-mlp", "fleet": "inprocess", "extra": "", "recycling": 0}
SPLIT = 'kind = "split"\ncut = "relu"'
EQUAL = 1e-6


def run(folder: Path, training: str, **changes) -> Path:
    folder.mkdir()
    path = folder / "scenario.toml"
    path.write_text(SCENARIO.format(**(PLAIN | changes), training=training))
    assert invoke(["run", str(path), "--output", str(folder / "run"), "--no-report"]) == 0
    return folder / "run"


def model_of(folder: Path) -> dict[str, np.ndarray]:
    return load_file(folder / "model.safetensors")


def assert_equal(found, expected) -> None:
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=0, atol=EQUAL, err_msg=name)


def by_node(folder: Path, column: str) -> pd.Series:
    return pd.read_parquet(folder / "slots.parquet").groupby("node_id")[column].sum()


@pytest.mark.parametrize(
    ("task", "training"),
    [
        ("mnist-mlp", SPLIT),
        ("mnist-mlp", SPLIT + '\nserver = "n2"'),
        ("mnist-cnn", 'kind = "split"\ncut = "max_pool2d_1"\nhead = "dense2"'),
    ],
)
def test_a_split_run_makes_the_model_of_a_federated_one(tmp_path, task, training) -> None:
    whole = run(tmp_path / "whole", "", task=task, recycling=1)
    split = run(tmp_path / "split", training, task=task, recycling=1)
    assert_equal(model_of(split), model_of(whole))
    assert invoke(["ledger", "verify", str(split)]) == 0


def test_a_strategy_acts_on_both_parts(tmp_path) -> None:
    extra = 'strategy = "fedprox"\nstrategy_options = { proximal_mu = 0.5 }'
    assert_equal(
        model_of(run(tmp_path / "split", SPLIT, extra=extra)),
        model_of(run(tmp_path / "whole", "", extra=extra)),
    )


def test_vertical_training_makes_the_model_of_one_place_with_all_columns(tmp_path) -> None:
    folder = run(tmp_path / "columns", 'kind = "vertical"\nserver = "n1"', policy="det")
    config = resolve(open_scenario(str(folder / "scenario.toml"))).task
    alone = build_workload(config.model_copy(update={"parts": None, "partitions": 1, "partition_index": 0}))
    batches = [alone.batch(k, Stage.DEVELOPMENT) for k in range(9)]
    expected = alone.train(find_task("mnist-mlp").initial_parameters(0), batches, {}).parameters
    assert_equal(model_of(folder), {f"development/{name}": array for name, array in expected.items()})
    assert invoke(["ledger", "verify", str(folder)]) == 0


def test_bytes_and_joules_are_where_they_arise(tmp_path) -> None:
    whole, split = run(tmp_path / "whole", ""), run(tmp_path / "split", SPLIT)
    bytes_, steps = by_node(split, "model_bytes"), 3 * 3
    lower, rest = 4 * (784 * 200 + 200), 4 * (200 * 10 + 10)
    sent, received = 16 * (4 * 200 + 8), 16 * 4 * 200 + 4
    assert bytes_["n1"] == bytes_["n2"] == 3 * 2 * lower + steps * (sent + received)
    assert bytes_["n0"] == 3 * (2 * lower + rest + 3 * rest) + 2 * steps * (sent + received)
    computed = [_compute_j(folder) for folder in (whole, split)]
    assert computed[1]["n1"] < computed[0]["n1"] < computed[1]["n0"]
    assert computed[1].sum() == pytest.approx(computed[0].sum(), rel=1e-6)


def _compute_j(folder: Path) -> pd.Series:
    lines = pd.read_parquet(folder / "lines.parquet")
    return lines[lines["component"] == "compute"].groupby("node_id")["energy_j"].sum()


def test_every_node_gets_its_part_alone(tmp_path) -> None:
    path = tmp_path / "scenario.toml"
    path.write_text(SCENARIO.format(**PLAIN, training='kind = "vertical"'))
    resolved = resolve(open_scenario(str(path)))
    division = division_of(resolved)
    assert division is not None
    assert division.server == "n0"
    model = ArrayRecord(
        {name: Array(array) for name, array in find_task("mnist-mlp").initial_parameters(0).items()}
    )
    parts = [division.lower(model, name) for name in resolved.node_ids]
    assert [list(part) for part in parts] == [["hidden.weight"]] * 3
    assert sum(part["hidden.weight"].shape[1] for part in parts) == 784
    assert set(division.upper(model)) == set(model) - {"hidden.weight"}


def test_a_round_without_all_columns_makes_no_model() -> None:
    strategy = PutTogether("w", 2)
    block = ArrayRecord({"w": Array(np.ones((2, 1), np.float32))})
    bind_identity(1)
    asked = [Message(RecordDict(), number, "train") for number in (2, 3)]
    replies = [Message(RecordDict({"arrays": block}), reply_to=message) for message in asked]
    assert strategy.aggregate_train(1, replies[:1])[0] is None
    made, _ = strategy.aggregate_train(1, replies)
    assert made is not None
    assert made["w"].shape == (2, 2)


@pytest.mark.processes
def test_over_processes_the_messages_are_the_same(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("experiments.runs.run.CONTROL_WAIT_S", 300.0)  # all nodes, also on a busy machine
    here, there = (run(tmp_path / fleet, SPLIT, fleet=fleet) for fleet in ("inprocess", "ray"))
    assert_equal(model_of(there), model_of(here))
    assert by_node(there, "model_bytes").to_dict() == by_node(here, "model_bytes").to_dict()


def test_a_run_whose_nodes_have_other_examples_ends_with_whose(tmp_path, monkeypatch, capsys) -> None:
    examples = ColumnWorkload.examples

    def shifted(self: ColumnWorkload, batch_id: int, stage: str):
        return examples(self, batch_id + (0 if self.holds_labels else self.own.start // 500), stage)

    monkeypatch.setattr(ColumnWorkload, "examples", shifted)
    path = tmp_path / "scenario.toml"
    path.write_text(SCENARIO.format(**PLAIN, training='kind = "vertical"'))
    assert invoke(["run", str(path), "--output", str(tmp_path / "run"), "--no-report"]) == 1
    assert "n2 has 48 other examples in place of the 48 that n0 has labels of" in capsys.readouterr().err


@pytest.mark.parametrize(("lost", "learns"), [(4, True), (2, False)])
def test_a_node_that_dies_amid_a_round_is_left_out_and_without_the_server_nobody_learns(
    tmp_path, monkeypatch, lost, learns
) -> None:
    dispatch, steps = InProcessGrid._dispatch, []

    def dying(grid: InProcessGrid, messages: list[Message]) -> None:
        steps.extend(message for message in messages if message.metadata.message_type == "query.upper")
        if len(steps) == 3:
            grid.lose(lost)
        dispatch(grid, messages)

    monkeypatch.setattr(InProcessGrid, "_dispatch", dying)
    path = tmp_path / "scenario.toml"
    path.write_text(SCENARIO.format(**PLAIN, training=SPLIT) + "[tolerance]\nunserved_fraction = 1\n")
    code = invoke(["run", str(path), "--output", str(tmp_path / "run"), "--no-report"])
    rounds = pd.read_parquet(tmp_path / "run" / "rounds.parquet")
    assert code == (0 if learns else 1)
    assert rounds["participants"].tolist() == ([2, 2, 2] if learns else [0, 0, 0])
    assert (rounds["test_loss"].nunique() > 1) is learns
    assert invoke(["ledger", "verify", str(tmp_path / "run")]) == 0
