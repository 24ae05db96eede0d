"""Flower's own mods and strategies in users' apps: they do here what Flower's own functions do."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from experiments.run_folder.files import MODEL
from tests.e2e.test_flower_simulation import APPS, ours

RATE, TRUTH, NODES = 0.1, np.array([1.0, -2.0, 0.5]), 3
CLIP, SENSITIVITY = 0.3, 1e-6
SERVER = 'strategy = FedAvg(fraction_train=float(context.run_config["fraction-train"]))'


def app_with(folder: Path, mod: str, strategy: str) -> Path:
    """The plain app with a mod and a strategy, in one line each."""
    project = folder / "app"
    shutil.copytree(APPS / "plain", project)
    client, server = project / "plain_app" / "client_app.py", project / "plain_app" / "server_app.py"
    imports = "from flwr.clientapp.mod import LocalDpMod, adaptiveclipping_mod, fixedclipping_mod\n"
    client.write_text(
        client.read_text().replace("app = ClientApp()", f"{imports}app = ClientApp(mods=[{mod}])")
    )
    text = server.read_text()
    assert SERVER in text
    server.write_text(
        text.replace(SERVER, f"{SERVER}\n    strategy = {strategy}").replace(
            "from flwr.serverapp.strategy import FedAvg",
            "from flwr.serverapp.strategy import *  # noqa: F403",
        )
    )
    return project


def update(w: np.ndarray, partition: int) -> np.ndarray:
    """Of the plain app's node in round 1."""
    x = np.random.default_rng([partition, NODES]).normal(size=(10 + partition, 3))
    return -RATE * 2 * x.T @ (x @ w - x @ TRUTH) / len(x)


def after_one_round(project: Path, folder: Path) -> np.ndarray:
    run = ours(project, folder / "run", "num-server-rounds = 1")
    (model,) = load_file(run / MODEL).values()
    return model


def clipped(norm: float) -> np.ndarray:
    """FedAvg of the nodes' updates, each scaled to at most ``norm``."""
    updates = [update(np.zeros(3), k) for k in range(NODES)]
    assert any(np.linalg.norm(each) > norm for each in updates)
    scaled = [each * min(1.0, norm / np.linalg.norm(each)) for each in updates]
    return np.average(scaled, axis=0, weights=[10 + k for k in range(NODES)])


@pytest.mark.parametrize(
    ("mod", "strategy"),
    [
        ("fixedclipping_mod", "DifferentialPrivacyClientSideFixedClipping(strategy, 0.0, {clip}, {nodes})"),
        (
            "adaptiveclipping_mod",
            "DifferentialPrivacyClientSideAdaptiveClipping(strategy, 1e-9, {nodes}, initial_clipping_norm={clip}, "
            "clipped_count_stddev=1.0)",
        ),
    ],
)
def test_updates_are_clipped_on_the_nodes(mod: str, strategy: str, tmp_path: Path) -> None:
    project = app_with(tmp_path, mod, strategy.format(clip=CLIP, nodes=NODES))
    np.testing.assert_allclose(after_one_round(project, tmp_path), clipped(CLIP), atol=1e-6)


def test_local_differential_privacy_clips_and_adds_noise_drawn_from_the_seed(tmp_path: Path) -> None:
    project = app_with(tmp_path, f"LocalDpMod({CLIP}, {SENSITIVITY}, 1.0, 1e-5)", "strategy")
    model = after_one_round(project, tmp_path)
    std = SENSITIVITY * np.sqrt(2 * np.log(1.25 / 1e-5))
    difference = np.abs(model - clipped(CLIP))
    assert (difference > 0).all(), "noise was added"
    assert (difference < 6 * std).all()
    assert (after_one_round(project, tmp_path / "again") == model).all()


def test_a_strategy_of_another_kind_makes_its_own_model(tmp_path: Path) -> None:
    project = app_with(tmp_path, "", "FedMedian()")
    updates = [update(np.zeros(3), k) for k in range(NODES)]
    np.testing.assert_allclose(after_one_round(project, tmp_path), np.median(updates, axis=0), rtol=1e-12)
