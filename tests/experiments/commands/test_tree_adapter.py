"""``detabed tree adapter``: from a run's folder to a file."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import gguf
import numpy as np
import pytest
import requests
from safetensors.numpy import save_file

from carbon_data.files.folders import DATA_DIR_VARIABLE
from edge_node.language.model_file import model_file
from edge_node.language.server import LanguageServer
from experiments.cli import invoke
from tests.edge_node.language.test_adapter_file import drawn
from tests.language_model import fetched_model

PROMPT = list(range(400, 420))
"""Tokens."""


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


def next_tokens(url: str) -> dict[int, float]:
    """Log probabilities of the likeliest next tokens, by a server."""
    asked = {"prompt": PROMPT, "n_predict": 1, "temperature": 0, "n_probs": 40, "cache_prompt": False}
    told = requests.post(f"{url}/completion", json=asked, timeout=300).json()
    return {one["id"]: one["logprob"] for one in told["completion_probabilities"][0]["top_logprobs"]}


@pytest.mark.processes
def test_what_a_run_learned_is_served_by_the_commands_of_the_page(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``tree adapter``, then ``tree serve --adapter``: the answers are those of a server with that adapter, a probe of
    it works, and a file that is no adapter is refused."""
    learned = {f"development__{name}": array for name, array in drawn().items()}
    run, file = run_of(tmp_path / "run", **learned), tmp_path / "adapter.gguf"
    assert invoke(["tree", "adapter", str(run), str(file)]) == 0
    command = [*(sys.executable, "-m", "experiments.cli", "tree", "serve", str(model), "--json")]
    process = subprocess.Popen([*command, "--adapter", str(file)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        told = json.loads("".join(process.stdout.readline() for _ in range(6)))
        served = next_tokens(told["url"])
        with LanguageServer(model_file(model), context_tokens=256) as plain:
            assert next_tokens(plain.url).keys() != served.keys()
        adapter = model_file(file)
        with LanguageServer(model_file(model), context_tokens=256, adapter=adapter) as same:
            assert next_tokens(same.url) == pytest.approx(served, abs=1e-3)
        capsys.readouterr()
        probe = ["tree", "probe", told["url"], "-o", str(tmp_path / "probe"), "--idle-s", "0"]
        lengths = ["--in", "48", "--out", "1,4", "--repeat", "1", "--json"]
        assert invoke([*probe, "--meter", f"cpu-time:{told['pid']}", *lengths]) == 0
        assert json.loads(capsys.readouterr().out)["whole"]["requests"] == 2
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=300)
    refused = subprocess.run(
        [*command, "--adapter", str(model)], capture_output=True, text=True, timeout=300, check=False
    )
    assert refused.returncode == 1
    assert "does not start" in refused.stderr
    assert "Traceback" not in refused.stderr
