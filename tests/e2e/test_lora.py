"""A language model's adapter trained by nodes in processes of their own, which send each other nothing else."""

from __future__ import annotations

import math
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest

from carbon_data.files.folders import DATA_DIR_VARIABLE
from experiments.cli import invoke
from experiments.run_folder.verify import verify_run
from tests.language_model import fetched_model

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(not all(map(find_spec, ("transformers", "peft"))), reason="needs the extra lora"),
]

SCENARIO = """name = "adapter"
policy = "local"
[stages]
preparation = 0
development = 1
application = 0
recycling = 0
[task]
name = "lora"
data = "pydoc"
batch_size = 1
batches_per_slot = 2
local_epochs = 1
learning_rate = 0.0005
round_deadline_s = 3600
[harvest]
kind = "none"
[battery]
capacity_wh = 0
[coordinator]
lease_s = 60
[fleet]
kind = "ray"
[[nodes]]
zone = "US-NW-SCL"
[[nodes]]
zone = "US-NW-NEVP"
"""
ADAPTER_BYTES = 4 * 460_800


def test_on_ray_two_nodes_train_an_adapter_and_exchange_it_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = fetched_model()
    here = tmp_path / "data" / "models"
    here.mkdir(parents=True)
    (here / model.name).symlink_to(model)
    monkeypatch.setenv(DATA_DIR_VARIABLE, str(tmp_path / "data"))
    (tmp_path / "scenario.toml").write_text(SCENARIO)
    folder = tmp_path / "run"
    command = ["run", str(tmp_path / "scenario.toml"), "--output", str(folder), "--no-report"]
    assert invoke(command) == 0
    assert verify_run(folder)["ok"]
    slots, rounds = (pd.read_parquet(folder / f"{name}.parquet") for name in ("slots", "rounds"))
    assert slots.executed_batches.tolist() == [2, 2]
    assert slots.model_bytes.tolist() == pytest.approx([2 * ADAPTER_BYTES] * 2, rel=0.02)
    loss = rounds.filter(like="loss").stack().tolist()
    assert loss
    assert all(math.isfinite(value) for value in loss)
