"""Every listed strategy for three rounds through the real fleet, and what of its options is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from experiments.commands.catalogue import catalogue
from experiments.errors import RunError, UsageError
from experiments.fleet.inprocess import InProcessFleet
from experiments.fleet.ray_fleet import RayFleet
from experiments.resolve.resolve import resolve
from experiments.runs.run import execute
from experiments.scenario.model import parse_scenario
from experiments.scenario.strategies import STRATEGIES, make_strategy

ROUNDS = 3
SCENARIO = """name = "strategies"
policy = "local"
[time]
start = 2022-06-21T12:00:00Z
[stages]
preparation = 0
development = 3
application = 1
recycling = 0
[task]
data = "digits"
batch_size = 16
batches_per_slot = 2
local_epochs = 1
strategy = "{strategy}"
{options}
[inference]
batches_per_slot = 1
requests_per_batch = 4
[fleet]
kind = "{fleet}"
[[nodes]]
zone = "FR"
count = 4
"""


def scenario(strategy: str, options: str = "", fleet: str = "inprocess"):
    return parse_scenario(SCENARIO.format(strategy=strategy, options=options, fleet=fleet))


def assert_learned(folder: Path) -> None:
    """All nodes took part in all rounds, every round made another model, and it has the nodes' number type."""
    assert json.loads((folder / "metadata.json").read_text())["failures"] == []
    rounds = pd.read_parquet(folder / "rounds.parquet")
    assert rounds["participants"].tolist() == [4] * ROUNDS
    assert rounds["test_loss"].nunique() == ROUNDS
    weights = load_file(folder / "model.safetensors")
    assert {array.dtype for array in weights.values()} == {np.dtype(np.float32)}
    assert all(np.isfinite(array).all() for array in weights.values())
    assert (folder / "DONE").exists()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_listed_strategy_learns_in_every_round(strategy: str, tmp_path: Path) -> None:
    more = 'name = "mnist-mlp-bn"' if strategy == "fedbn" else ""
    with InProcessFleet() as fleet:
        assert_learned(execute(resolve(scenario(strategy, more)), tmp_path / "run", fleet))


@pytest.mark.processes
def test_strategies_learn_over_ray(tmp_path: Path) -> None:
    """Those that compute in wider numbers than the nodes, and a robust one."""
    with RayFleet(4, processes=1) as fleet:
        for strategy in ("fedadam", "qfedavg", "fedtrimmedavg"):
            spec = scenario(strategy, fleet="ray")
            assert_learned(execute(resolve(spec), tmp_path / strategy, fleet))


@pytest.mark.parametrize(
    ("strategy", "options", "said"),
    [
        ("fedavg", "fraction_train = 0.01", "policy = 'random'"),
        ("fedavg", "min_available_nodes = 99", "policy = 'random'"),
        ("fedavg", "min_train_nodes = 3", "policy = 'random'"),
        ("fedavg", "fraction_evaluate = 0.5", "evaluated centrally"),
        ("fedavg", 'arrayrecord_key = "weights"', "'arrays'"),
        ("fedavg", 'weighted_by_key = "examples"', "num-examples"),
        ("fedavg", 'train_metrics_aggr_fn = "mean"', "takes a function"),
        ("fedavg", "proximal_mu = 0.1", "no option 'proximal_mu'"),
        ("fedadam", "eta_l = 0.1", "task.learning_rate"),
        ("fedadam", 'eta = "fast"', "number"),
        ("fedadam", "beta_1 = 1.0", "0 <= beta_1 < 1"),
        ("fedadam", "eta = 0.0", "eta > 0"),
        ("fedavgm", "server_learning_rate = -1.0", "server_learning_rate > 0"),
        ("fedavgm", "server_momentum = 1.0", "0 <= server_momentum < 1"),
        ("fedtrimmedavg", "beta = 0.5", "0 <= beta < 0.5"),
        ("qfedavg", 'train_loss_key = "train_loss"', "'loss'"),
        ("bulyan", "num_malicious_nodes = 1", "needs 7 nodes"),
        ("krum", "num_malicious_nodes = 1", "needs 5 nodes"),
        ("multikrum", "num_nodes_to_select = 5", "more than the 4 nodes that train"),
        ("ditto", 'pull = "hard"', "number is needed"),
        ("ditto", "pull = -0.1", "pull >= 0"),
        ("fedper", "weighted_by_key = 'shares'", "nodes report"),
        ("fedper", "layers = 3", "text is needed"),
    ],
)
def test_options_that_do_nothing_or_fail_later_are_refused_with_their_line(
    strategy: str, options: str, said: str
) -> None:
    with pytest.raises(UsageError, match=r"scenario:1[56]: task\.strategy") as refused:
        resolve(scenario(strategy, f"strategy_options = {{ {options} }}"))
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("strategy", "options"), [("krum", "num_malicious_nodes = 0"), ("multikrum", "num_nodes_to_select = 3")]
)
def test_nodes_that_train_in_a_round_count_and_not_those_there_are(strategy: str, options: str) -> None:
    text = SCENARIO.format(
        strategy=strategy, options=f"strategy_options = {{ {options} }}", fleet="inprocess"
    )
    resolve(parse_scenario(text))
    fewer = text.replace('policy = "local"', 'policy = "random"\npolicy_options = { clients = 2 }')
    if strategy == "krum":
        resolve(parse_scenario(fewer))
        fewer = fewer.replace("num_malicious_nodes = 0", "num_malicious_nodes = 1").replace(
            "count = 4", "count = 5"
        )
    with pytest.raises(UsageError, match=r"2 (nodes that )?train in a round"):
        resolve(parse_scenario(fewer))


def test_what_one_value_alone_can_be_is_supplied() -> None:
    made = make_strategy("qfedavg", {}, learning_rate=0.25)
    assert (made.client_learning_rate, made.train_loss_key) == (0.25, "loss")
    assert (
        make_strategy("qfedavg", {"client_learning_rate": 0.5}, learning_rate=0.25).client_learning_rate
        == 0.5
    )


def test_a_strategy_of_ones_own_names_the_key_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_needy.py").write_text(
        "from flwr.serverapp.strategy import FedAvg\n"
        "class Needy(FedAvg):\n"
        "    def __init__(self, patience):\n"
        "        super().__init__()\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UsageError, match="needs patience"):
        resolve(scenario("own_needy:Needy"))
    resolve(scenario("own_needy:Needy", "strategy_options = { patience = 3 }"))


def test_a_strategy_that_raises_ends_the_run_with_its_file_and_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_raising.py").write_text(
        "from flwr.serverapp.strategy import FedAvg\n"
        "class Raising(FedAvg):\n"
        "    def aggregate_train(self, server_round, replies):\n"
        "        raise KeyError('momentum')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with InProcessFleet() as fleet, pytest.raises(RunError, match=r"round 1: KeyError.*own_raising\.py:4"):
        execute(resolve(scenario("own_raising:Raising")), tmp_path / "run", fleet)
    assert "own_raising.py:4" in (tmp_path / "run" / "FAILED").read_text()
    assert not (tmp_path / "run" / "DONE").exists()


def test_a_strategy_that_makes_no_model_fails_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_idle.py").write_text(
        "from flwr.serverapp.strategy import FedAvg\n"
        "class Idle(FedAvg):\n"
        "    def aggregate_train(self, server_round, replies):\n"
        "        return None, None\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with InProcessFleet() as fleet, pytest.raises(RunError, match=r"made no model .* in any of 3 rounds"):
        execute(resolve(scenario("own_idle:Idle")), tmp_path / "run", fleet)


def test_the_list_tells_the_options_a_scenario_may_set() -> None:
    told = catalogue("strategies")
    assert set(told) == set(STRATEGIES)
    assert "proximal_mu (0.0)" in told["fedprox"]
    assert "task.learning_rate" in told["qfedavg"]
    assert not any("fraction_train" in text or "eta_l" in text for text in told.values())
