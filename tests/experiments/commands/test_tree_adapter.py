"""``detabed tree adapter``: from a run's folder to a file."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import numpy as np
import pytest
from safetensors.numpy import save_file

from carbon_data.files.folders import DATA_DIR_VARIABLE
from experiments.cli import invoke
from tests.language_model import fetched_model


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = fetched_model()
    folder = tmp_path / "data" / "models"
    folder.mkdir(parents=True)
    (folder / path.name).symlink_to(path)
    monkeypatch.setenv(DATA_DIR_VARIABLE, str(tmp_path / "data"))
    return path


def run_of(folder: Path, **arrays: np.ndarray) -> Path:
    folder.mkdir()
    save_file(
        {name.replace("__", "/"): array for name, array in arrays.items()}, folder / "model.safetensors"
    )
    return folder


def test_the_adapter_of_a_stage_is_written(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    matrices = {
        "layers.3.v_proj.lora_A": np.ones((8, 576), np.float32),
        "layers.3.v_proj.lora_B": np.full((192, 8), 2, np.float32),
    }
    run = run_of(tmp_path / "run", **{f"recycling__{name}": array for name, array in matrices.items()})
    file = tmp_path / "adapter.gguf"
    assert invoke(["tree", "adapter", str(run), str(file), "--stage", "recycling", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["file"] == str(file)
    reader = gguf.GGUFReader(file)
    assert {tensor.name: tuple(tensor.shape) for tensor in reader.tensors} == {
        "blk.3.attn_v.weight.lora_a": (576, 8),
        "blk.3.attn_v.weight.lora_b": (8, 192),
    }
    assert reader.fields["adapter.lora.alpha"].contents() == 16.0
    assert invoke(["tree", "adapter", str(run), str(file)]) == 2
    assert "learned nothing in stage development" in capsys.readouterr().err


def test_a_run_of_another_task_is_refused(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of(tmp_path / "run", development__weight=np.ones((2, 2), np.float32))
    assert invoke(["tree", "adapter", str(run), str(tmp_path / "adapter.gguf")]) == 2
    assert "another task than lora" in capsys.readouterr().err
    assert invoke(["tree", "adapter", str(tmp_path), str(tmp_path / "adapter.gguf")]) == 2
    assert "learned nothing" in capsys.readouterr().err
