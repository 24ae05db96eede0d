"""A user's TorchTask by its name: on every fleet, from TOML and from Python; refusals without a traceback."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pytest

import detabed
from experiments.cli import invoke
from experiments.fleet.inprocess import InProcessFleet
from experiments.fleet.virtual import VirtualFleet
from experiments.resolve.resolve import resolve
from experiments.runs.run import execute
from experiments.scenario.model import parse_scenario

TASKS = "tests.edge_node.tasks.own.examples_of_tasks"
SCENARIO = """name = "own"
policy = "{policy}"
[time]
start = 2022-06-21T16:00:00Z
[stages]
preparation = {others}
development = 3
application = {others}
recycling = {others}
[task]
name = "{task}"
learning_rate = 0.01
local_epochs = 2
strategy = "{strategy}"
partition = "{partition}"
[inference]
batches_per_slot = 2
[fleet]
kind = "{fleet}"
[network]
net_j_per_byte = 0
[board]
tx_j_per_byte = 0
rx_j_per_byte = 0
[[nodes]]
zone = "PL"
count = 2
[[nodes]]
zone = "SE-SE3"
harvest = {{ kind = "pv", peak_w = 30 }}
battery = {{ capacity_wh = 20 }}
"""


def scenario(task: str, **changes: str) -> str:
    values = {"policy": "deta", "others": "0", "strategy": "fedavg", "partition": "iid", "fleet": "inprocess"}
    return SCENARIO.format(task=task if ":" in task else f"{TASKS}:{task}", **(values | changes))


@pytest.mark.parametrize(
    ("task", "strategy", "partition"),
    [("images", "fedmedian", "dirichlet"), ("drops", "fedprox", "iid"), ("tokens", "fedavg", "iid")],
)
def test_a_virtual_fleet_learns_what_nodes_learn(
    task: str, strategy: str, partition: str, tmp_path: Path
) -> None:
    text = scenario(task, strategy=strategy, partition=partition)
    text = text.replace(
        'strategy = "fedprox"', 'strategy = "fedprox"\nstrategy_options = { proximal_mu = 0.1 }'
    )
    folders = []
    for name, fleet, kind in (("one", InProcessFleet, "inprocess"), ("two", VirtualFleet, "virtual")):
        resolved = resolve(parse_scenario(text.replace('kind = "inprocess"', f'kind = "{kind}"')))
        with fleet() as started:
            folders.append(execute(resolved, tmp_path / name, started))
    for table in ("slots", "lines", "batch_flows", "rounds", "nodes"):
        one, two = (pd.read_parquet(folder / f"{table}.parquet") for folder in folders)
        pd.testing.assert_frame_equal(one, two, check_exact=table != "rounds", rtol=1e-5, obj=table)
    moved = pd.read_parquet(folders[0] / "batch_flows.parquet")
    assert (moved["owner"] != moved["executor"]).any()  # so that the two agree about batches that move


def test_a_life_cycle_of_a_users_task_is_reported(tmp_path: Path) -> None:
    """Preparation, training with local layers, serving and recycling, by a class of numbers and one of classes."""
    for task in ("local", "table"):
        (tmp_path / f"{task}.toml").write_text(scenario(task, others="1", policy="dat"))
        quick = ["--no-report"] if task == "local" else []
        assert invoke(["run", str(tmp_path / f"{task}.toml"), "--output", str(tmp_path / task), *quick]) == 0
        assert invoke(["ledger", "verify", str(tmp_path / task)]) == 0
    run = detabed.open(tmp_path / "local")
    assert run.rounds["test_accuracy"].between(0, 1).all()
    prices = detabed.open(tmp_path / "table")
    assert prices.rounds["test_accuracy"].isna().all()
    assert prices.rounds["test_loss"].notna().all()
    page = (tmp_path / "table" / "report.html").read_text()
    assert "no classes" in page


def test_python_takes_the_object_itself(tmp_path: Path) -> None:
    from tests.edge_node.tasks.own.examples_of_tasks import plain

    made = detabed.Scenario(
        name="own",
        stages={"preparation": 0, "development": 1, "application": 0, "recycling": 0},
        task={"data": "digits", "batch_size": 40},
        nodes=[{"zone": "PL"}],
    )
    run = detabed.run(made, "local", task=plain, fleet="inprocess", output=tmp_path / "run", progress=False)
    assert run.metadata["task"] == f"{TASKS}:plain"
    assert run.metadata["data_used"] == "own"
    with pytest.raises(detabed.UsageError, match="task is in no variable of a module"):
        detabed.run(made, task=detabed.TorchTask(list, [], []))
    with pytest.raises(detabed.UsageError, match="task is a int; allowed are a name, a TorchTask"):
        detabed.run(made, task=3)


@pytest.mark.parametrize(
    ("task", "changes", "words"),
    [
        ("bad_lab:wide", {}, ["bad.toml:11: task.name", "the loss, of an output", "Target"]),
        ("bad_lab:stream", {}, ["bad.toml:11: task.name", "without __len__"]),
        ("gone_lab:task", {}, ["cannot be loaded", "model_fn is a Linear", "gone_lab.py:3"]),
        ("images", {"strategy": "fedadam"}, ["task.name", "batch.running_mean", "may then be below 0"]),
        ("local", {"fleet": "virtual"}, ["task.name", "batch.bias", 'kind = "virtual" keep nothing']),
        ("table", {"partition": "dirichlet"}, ["have none; give partition"]),
    ],
)
def test_check_says_in_a_sentence_what_cannot_be_run(
    task: str, changes: dict[str, str], words: list[str], tmp_path: Path, capsys, monkeypatch
) -> None:
    (tmp_path / "bad_lab.py").write_text(
        "from torch import nn\nfrom detabed import TorchTask\n\nPAIRS = [([0.0, 1.0], k) for k in range(4)]\n"
        "wide = TorchTask(lambda: nn.Linear(2, 3), PAIRS, PAIRS)\nstream = TorchTask(lambda: nn.Linear(2, 4), "
        "(pair for pair in PAIRS), PAIRS)\n"
    )
    (tmp_path / "gone_lab.py").write_text(
        "from torch import nn\nfrom detabed import TorchTask\ntask = TorchTask(nn.Linear(2, 4), [], [])\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("bad_lab", None)
    (tmp_path / "bad.toml").write_text(scenario(task, **changes))
    assert invoke(["check", str(tmp_path / "bad.toml")]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "Traceback" not in told
    for word in words:
        assert word in told
