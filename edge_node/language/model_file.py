"""A model's file: a GGUF known by its SHA-256, and the small one that a request without a file means."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from carbon_data.files.datasets import require
from carbon_data.types import DataError

DEFAULT = "smollm2-135m"
"""Data set of the model that is served where none is named: SmolLM2-135M-Instruct, Q4_1, 135 million parameters."""
MAGIC = b"GGUF"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file that was read and found to be what it should be."""

    path: Path
    sha256: str

    @property
    def name(self) -> str:
        return self.path.stem


def model_file(path: Path | None = None, sha256: str | None = None) -> ModelFile:
    """The model at ``path`` (None: DEFAULT, from the data folder). ``sha256``, where it is given, is what it must have.

    Raises:
        DataError: there is no such file, it is no GGUF, or its content is another.
    """
    if path is None:
        path = require(DEFAULT)
    try:
        with path.open("rb") as stream:
            magic = stream.read(len(MAGIC))
            if magic != MAGIC:
                raise DataError(
                    f"{path} is no model file: it begins with {magic!r}, a GGUF with {MAGIC!r}; give a .gguf file"
                )
            stream.seek(0)
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"the model file {path} cannot be read: {error.strerror}") from error
    if sha256 is not None and found != sha256.lower():
        raise DataError(
            f"{path} has sha256 {found}, expected {sha256}: it is another model or was changed; fetch it again, or "
            "give the sha256 of the one that is meant"
        )
    return ModelFile(path.absolute(), found)
