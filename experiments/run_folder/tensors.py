"""Files of tensors (safetensors) of a run folder, read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from carbon_data.types import DataError


def read_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """Its tensors by name. Raises DataError where it is damaged, OSError where it cannot be opened."""
    with path.open("rb"):
        pass  # the library calls every such fault "no such file"
    try:
        return load_file(path)
    except SafetensorError as error:
        raise DataError(f"{path} is damaged ({error}); restore it from a copy, or run again") from error
