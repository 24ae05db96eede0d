"""The network is layers with tanh; weights of another one are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from carbon_data.types import DataError
from coordinator.policies.learned.action import ACTIONS
from coordinator.policies.learned.network import LAYERS, Network
from coordinator.policies.learned.observation import OBSERVED


def weights(hidden: int = 4) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    sizes = (OBSERVED, hidden, hidden, ACTIONS)
    found = {}
    for k in range(LAYERS):
        found[f"weight_{k}"] = rng.normal(size=(sizes[k + 1], sizes[k])).astype(np.float32)
        found[f"bias_{k}"] = rng.normal(size=sizes[k + 1]).astype(np.float32)
    return found


def test_a_network_is_layers_with_tanh_between(tmp_path: Path) -> None:
    given = weights()
    save_file(given, tmp_path / "w.safetensors")
    seen = np.random.default_rng(4).normal(size=(7, OBSERVED)).astype(np.float32)
    found = Network.read(tmp_path / "w.safetensors").action(seen)
    first = np.tanh(seen @ given["weight_0"].T + given["bias_0"])
    second = np.tanh(first @ given["weight_1"].T + given["bias_1"])
    assert found == pytest.approx(second @ given["weight_2"].T + given["bias_2"], rel=1e-5)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    with pytest.raises(DataError, match="no weights can be read"):
        Network.read(file)
    save_file({"weight_0": np.zeros((2, 2), dtype=np.float32)}, file)
    with pytest.raises(DataError, match="expected weights and biases of 3 layers"):
        Network.read(file)
    save_file(weights() | {"weight_0": np.zeros((4, 5), dtype=np.float32)}, file)
    with pytest.raises(DataError, match="train again"):
        Network.read(file)


@pytest.mark.parametrize(
    ("name", "array", "sentence"),
    [
        ("weight_1", np.zeros(4, dtype=np.float32), r"a weight is \(out, in\)"),
        ("bias_1", np.zeros(1, dtype=np.float32), r"its bias \(out,\)"),
        ("weight_2", np.full((ACTIONS, 4), np.nan, dtype=np.float32), "not finite"),
    ],
)
def test_weights_that_are_no_layers_are_refused(
    tmp_path: Path, name: str, array: np.ndarray, sentence: str
) -> None:
    file = tmp_path / "w.safetensors"
    save_file(weights() | {name: array}, file)
    with pytest.raises(DataError, match=sentence):
        Network.read(file)
