"""Files of tensors: whole ones are read, damaged ones named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from carbon_data.types import DataError
from experiments.run_folder.tensors import read_tensors


def test_a_whole_file_is_read_and_a_damaged_or_absent_one_named(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    with pytest.raises(FileNotFoundError, match=r"m\.safetensors"):
        read_tensors(path)
    save_file({"a/b": np.arange(6.0)}, path)
    assert read_tensors(path)["a/b"].tolist() == [0, 1, 2, 3, 4, 5]
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(DataError, match=r"m\.safetensors is damaged .*; restore it"):
        read_tensors(path)
