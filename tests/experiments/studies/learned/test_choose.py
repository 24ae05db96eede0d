"""Weights ship where they emit less in worlds for choosing, and only then."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from carbon_data.files.datasets import DatasetState, dataset, status_of
from coordinator.policies.learned.network import RECORD, WEIGHTS
from coordinator.policies.learned.policy import SHIPPED
from coordinator.policies.learned.record import DIGEST, digest_of, record_of
from experiments.studies.learned.choose import choose
from experiments.studies.learned.worlds import SOURCE


@pytest.mark.skipif(
    status_of(dataset(SOURCE)).state is not DatasetState.PRESENT, reason="the file is not in the data folder"
)
@pytest.mark.parametrize(("change", "gain"), [(1.0, "the same"), (0.0, "less")])
def test_weights_that_gain_no_more_do_not_ship(change: float, gain: str, tmp_path: Path) -> None:
    """What ships is not better than itself; a last layer of zeros trades nothing and keeps its batteries."""
    weights = {name: np.array(values) for name, values in load_file(SHIPPED).items()}
    for name in ("weight_2", "bias_2"):
        weights[name] = (change * weights[name]).astype(np.float32)
    save_file(weights, tmp_path / WEIGHTS)
    record = record_of(SHIPPED) | {DIGEST: digest_of(tmp_path / WEIGHTS)}
    (tmp_path / RECORD).write_text(json.dumps(record), encoding="utf-8")
    found = choose(tmp_path, worlds=1)
    assert not found["ships"]
    assert (found["reduction_fraction"] == found["before_fraction"]) == (gain == "the same")
    assert record_of(tmp_path / WEIGHTS) == record | {"chosen": found}
