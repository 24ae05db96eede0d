"""The files that are compared: the model as it is (Q4_1), and the same requantised; and the text they read."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from carbon_data.files.datasets import require
from carbon_data.files.folders import cache_dir
from edge_node.language.model_file import ModelFile, model_file
from edge_node.language.requantise import KINDS, requantise

OWN = "Q4_1"
"""Of the file as it is."""
ALL = (OWN, *KINDS)


def file_of(kind: str, folder: Path | None = None) -> ModelFile:
    """The model in ``kind``, made in ``folder`` (default: the user's cache) where it is not there yet. Raises DataError
    without the data set smollm2-135m."""
    own = model_file()
    if kind == OWN:
        return own
    path = (folder or cache_dir() / "reproduce-tokens") / f"{own.sha256[:16]}-{kind}.gguf"
    if not path.exists():
        requantise(own.path, path, kind)
    with path.open("rb") as stream:
        return ModelFile(path, hashlib.file_digest(stream, "sha256").hexdigest())


@lru_cache(maxsize=1)
def shakespeare() -> str:
    """The text. Raises DataError where it is not in the data folder."""
    return require("tinyshakespeare").read_text(encoding="utf-8")


def passage(place_fraction: float, letters: int) -> str:
    """``letters`` of the text, the first at ``place_fraction`` of where a passage of that length can begin."""
    text = shakespeare()
    begin = int(place_fraction * (len(text) - letters))
    return text[begin : begin + letters]
