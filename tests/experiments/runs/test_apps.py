"""A Flower app of a user's own in whole runs: its rounds are slots, its figures the report's."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from experiments.errors import RunError
from experiments.fleet.inprocess import InProcessFleet
from experiments.resolve.resolve import resolve
from experiments.run_folder.files import METADATA, MODEL, SCENARIO
from experiments.runs.run import execute
from experiments.scenario.model import load_scenario, parse_scenario
from protos.messages.terms import Stage

PLAIN = Path(__file__).parents[2] / "apps" / "plain"
ROUNDS, NODES, RATE = 3, 3, 0.1
TRUTH = np.array([1.0, -2.0, 0.5])
APP = """name = "app"
policy = "det"
[time]
start = 2022-06-21T16:00:00Z
[task]
app = "{app}"
round_flop = 1e12
evaluate_flop = 1e11
run_config = {{ {config} }}
[fleet]
kind = "inprocess"
[tolerance]
unserved_fraction = 0.0
[[nodes]]
zone = "US-NW-SCL"
[[nodes]]
zone = "US-SE-SOCO"
[[nodes]]
zone = "US-NW-WACM"
"""


def run(folder: Path, config: str = "", text: str = APP) -> Path:
    scenario = parse_scenario(text.format(app=PLAIN, config=config))
    with InProcessFleet() as fleet:
        return execute(resolve(scenario), folder, fleet)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("app") / "run")


def shares() -> list[tuple[np.ndarray, np.ndarray]]:
    found = []
    for k in range(NODES):
        x = np.random.default_rng([k, NODES]).normal(size=(10 + k, 3))
        found.append((x, x @ TRUTH))
    return found


def averaged() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """(model after each round, models of the nodes in the last): FedAvg of the plain app by hand."""
    w, after, local = np.zeros(3), [], []
    for server_round in range(1, ROUNDS + 1):
        local = [w - RATE / server_round * 2 * x.T @ (x @ w - y) / len(y) for x, y in shares()]
        w = np.average(local, axis=0, weights=[len(y) for _, y in shares()])
        after.append(w)
    return after, local


def test_the_model_is_fedavgs_of_all_nodes_in_float64(done: Path) -> None:
    (model,) = load_file(done / MODEL).values()
    assert model.dtype == np.float64
    np.testing.assert_allclose(model, averaged()[0][-1], rtol=1e-12)


def test_the_reports_figures_are_the_apps_own(done: Path) -> None:
    rounds = pd.read_parquet(done / "rounds.parquet")
    assert rounds["round"].tolist() == [1, 2, 3]
    assert rounds["participants"].tolist() == [3, 3, 3]
    assert rounds["num_examples"].tolist() == [33, 33, 33]
    sizes = [len(y) for _, y in shares()]
    for row, w in zip(rounds.itertuples(), averaged()[0], strict=True):
        losses = [np.mean((x @ w - y) ** 2) for x, y in shares()]
        hits = [np.mean(np.sign(x @ w) == np.sign(y)) for x, y in shares()]
        assert row.test_loss == pytest.approx(np.average(losses, weights=sizes))
        assert row.test_accuracy == pytest.approx(np.average(hits, weights=sizes))
    metadata = json.loads((done / METADATA).read_text())
    assert metadata["task"] == "flower-app"
    assert metadata["data_used"] == "plain-app"
    assert metadata["failed"] == []


def test_every_round_of_every_node_is_booked_with_its_evaluation(done: Path) -> None:
    slots = pd.read_parquet(done / "slots.parquet").dropna(subset=["released_batches"])
    assert slots["executed_batches"].tolist() == [1] * ROUNDS * NODES
    assert (slots["model_bytes"] > 2 * 24).all()
    lines = pd.read_parquet(done / "lines.parquet")
    assert set(lines.loc[lines["component"] == "compute", "stage"]) == {Stage.DEVELOPMENT.value}


def test_context_state_is_kept_between_rounds(done: Path) -> None:
    text = (done / "flower.log").read_text()
    for server_round in range(1, ROUNDS + 1):
        assert f"'calls': {float(server_round)}" in text


def test_the_folders_scenario_runs_again_and_gives_the_same_tables(done: Path, tmp_path: Path) -> None:
    again = resolve(load_scenario(done / SCENARIO))
    with InProcessFleet() as fleet:
        execute(again, tmp_path / "again", fleet)
    for table in ("slots", "nodes", "rounds", "lines"):
        assert (tmp_path / "again" / f"{table}.parquet").read_bytes() == (
            done / f"{table}.parquet"
        ).read_bytes()


def test_evaluation_on_the_server_and_sampling_are_the_apps_matter(tmp_path: Path) -> None:
    folder = run(tmp_path / "run", "central = true, fraction-train = 0.67")
    rounds = pd.read_parquet(folder / "rounds.parquet")
    assert rounds["test_accuracy"].tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert rounds["participants"].tolist() == [2, 2, 2]
    metadata: Mapping[str, Any] = json.loads((folder / METADATA).read_text())
    assert metadata["initial_accuracy"] == {"development": 0.0}


def test_other_rounds_than_the_runs_end_it_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="round 3, and all 2 slots"):
        run(tmp_path / "run", text=APP + "[stages]\ndevelopment = 2\n")


def test_an_app_that_cannot_be_imported_ends_the_run_with_a_sentence(tmp_path: Path) -> None:
    project = tmp_path / "broken"
    shutil.copytree(PLAIN, project)
    (project / "plain_app").rename(project / "broken_app")
    described = project / "pyproject.toml"
    described.write_text(described.read_text().replace("plain_app", "broken_app"))
    (project / "broken_app" / "client_app.py").write_text("open('no such file')\n")
    text = APP.replace("{app}", project.as_posix())
    with pytest.raises(RunError, match=r"cannot be loaded: FileNotFoundError: .*no such file"):
        run(tmp_path / "run", text=text)
    assert not (tmp_path / "run" / "DONE").exists()


def changed(folder: Path, file: str, before: str, after: str) -> str:
    """The scenario of a copy of the plain app with one change."""
    project = folder / "changed"
    shutil.copytree(PLAIN, project)
    text = (project / "plain_app" / file).read_text()
    assert before in text
    (project / "plain_app" / file).write_text(text.replace(before, after))
    return APP.replace("{app}", project.as_posix())


def test_a_model_of_a_type_that_the_file_lacks_is_kept_as_its_bytes(tmp_path: Path) -> None:
    text = changed(tmp_path, "client_app.py", "ArrayRecord([w])", "ArrayRecord([w.astype(complex)])")
    folder = run(tmp_path / "run", "num-server-rounds = 1", text)
    with safe_open(folder / MODEL, "numpy") as kept:
        ((name, dtype),) = kept.metadata().items()
        found = kept.get_tensor(name).view(dtype)[..., 0]
    assert found.dtype == np.complex128
    assert found.shape == (3,)
    np.testing.assert_allclose(found.real, averaged()[0][0], rtol=1e-12)


def test_a_node_that_raises_in_a_round_is_named_with_file_and_line(tmp_path: Path) -> None:
    raises = 'if message.content["config"]["server-round"] == 2:\n        raise RuntimeError("not now")\n    rate ='
    text = changed(tmp_path, "client_app.py", "rate =", raises)
    with pytest.raises(
        RunError, match=r"3 of the nodes .* slot 1: .*RuntimeError: not now \(at .*client_app.py:\d+"
    ):
        run(tmp_path / "run", text=text)
    leaves = changed(
        tmp_path / "exit", "server_app.py", "strategy = FedAvg", "raise SystemExit(3)\n    s = FedAvg"
    )
    with pytest.raises(RunError, match=r"ServerApp .* called sys\.exit\(3\) in round 0"):
        run(tmp_path / "second", text=leaves)
    opens = changed(
        tmp_path / "file", "server_app.py", "strategy = FedAvg", "open('no such')\n    s = FedAvg"
    )
    with pytest.raises(
        RunError, match=r"ServerApp .* failed in round 0: FileNotFoundError.*at .*server_app.py:\d+"
    ):
        run(tmp_path / "third", text=opens)


def test_batches_of_a_divisible_app_wait_for_a_better_slot_and_are_run_in_a_later_round(
    tmp_path: Path,
) -> None:
    steps = "for _ in range(message.content['config']['batches']):\n        w = w - rate"
    text = changed(tmp_path, "client_app.py", "w = w - rate", steps)
    client = tmp_path / "changed" / "plain_app" / "client_app.py"
    tells = '"records": len(message.content), "batches": message.content["config"]["batches"]'
    client.write_text(client.read_text().replace('"records": len(message.content)', tells))
    project = tmp_path / "changed" / "pyproject.toml"
    project.write_text(project.read_text() + "\n[tool.detabed.app]\nbatches = 4\n")
    folder = run(tmp_path / "run", text=text + "[limits]\ndeadline_slots = 1\n")
    slots = pd.read_parquet(folder / "slots.parquet").dropna(subset=["released_batches"])
    assert slots["released_batches"].tolist() == [4] * ROUNDS * NODES
    assert slots["executed_batches"].sum() == 4 * ROUNDS * NODES
    assert slots["unserved_batches"].sum() == 0
    assert len(set(slots["executed_batches"])) > 1, "det runs more of them where its energy is cleaner"
    rounds = pd.read_parquet(folder / "rounds.parquet")
    assert rounds["round"].tolist() == [1, 2, 3]


def test_apps_are_found_by_name_where_python_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(PLAIN / "plain_app", tmp_path / "named_app")
    monkeypatch.syspath_prepend(str(tmp_path))
    named = 'client_app = "named_app.client_app:app"\nserver_app = "named_app.server_app:app"'
    config = "num-server-rounds = 3, learning-rate = 0.1, fraction-train = 1.0, central = false"
    folder = run(tmp_path / "run", config, APP.replace('app = "{app}"', named))
    (model,) = load_file(folder / MODEL).values()
    np.testing.assert_allclose(model, averaged()[0][-1], rtol=1e-12)
    assert json.loads((folder / METADATA).read_text())["data_used"] == "named_app"
