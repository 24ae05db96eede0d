"""Large data files (datasets.csv): what they are, where they are found, and whether they are whole.

Nothing is trusted by its name: a file is ``present`` only when its checksum agrees. Downloads: ``download``.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from carbon_data.files.folders import DATA_DIR_VARIABLE, data_dir
from carbon_data.types import DataError

CHUNK_BYTES = 1 << 16
MAX_CONTENT_BYTES = 256 * 1024 * 1024
"""Decompressing stops here: a few bytes of gzip can hold any number."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """One file of the data folder. ``sha256`` is of the file itself; where another packing of the same
    content is as good (MNIST), ``content_md5`` of the decompressed bytes decides instead.
    """

    name: str
    path: str
    title: str
    origin: str
    licence: str
    size_bytes: int
    sha256: str
    content_md5: str | None = None
    urls: tuple[str, ...] = ()
    """Where the very same content can be had; empty for files that are derived."""
    instructions: str = ""
    """For a derived file: from what and how it is made."""
    package: str = ""
    """For a file that a Python package holds: the package with its version, and the file's path in its wheel."""

    @property
    def can_be_fetched(self) -> bool:
        return bool(self.urls or self.package)

    @classmethod
    def of_row(cls, row: dict[str, Any]) -> Dataset:
        """A row of datasets.csv: addresses with spaces between them."""
        size_bytes, md5, urls = int(row["size_bytes"]), row["content_md5"] or None, tuple(row["urls"].split())
        return cls(**{**row, "size_bytes": size_bytes, "content_md5": md5, "urls": urls})


with Path(__file__).with_name("datasets.csv").open(encoding="utf-8", newline="") as _rows:
    DATASETS = tuple(Dataset.of_row(row) for row in csv.DictReader(_rows))


class DatasetState(StrEnum):
    """What is found in the data folder."""

    PRESENT = "present"
    MISSING = "missing"
    CORRUPT = "corrupt"


@dataclass(frozen=True, slots=True)
class DatasetStatus:
    """State of one data set; ``detail`` says what is wrong and what to do."""

    dataset: Dataset
    path: Path
    state: DatasetState
    detail: str = ""


def dataset(name: str) -> Dataset:
    """The data set called ``name``."""
    for candidate in DATASETS:
        if candidate.name == name:
            return candidate
    raise DataError(f"no data set is called {name!r}; there are {', '.join(d.name for d in DATASETS)}")


def mnist_names() -> tuple[str, ...]:
    """Names of the four files of MNIST."""
    return tuple(d.name for d in DATASETS if d.name.startswith("mnist-"))


def status(folder: Path | None = None, datasets: Sequence[Dataset] = DATASETS) -> list[DatasetStatus]:
    """State of every data set, checksums included (about 130 MB are read when all are there)."""
    return [status_of(each, folder) for each in datasets]


def status_of(each: Dataset, folder: Path | None = None) -> DatasetStatus:
    """State of one data set."""
    path = (folder or data_dir()) / each.path
    if not path.is_file():
        return DatasetStatus(each, path, DatasetState.MISSING, how_to_get(each))
    fault = check_file(each, path)
    if fault:
        return DatasetStatus(
            each, path, DatasetState.CORRUPT, f"{fault}; delete it, then: {how_to_get(each)}"
        )
    return DatasetStatus(each, path, DatasetState.PRESENT)


def require(name: str, folder: Path | None = None) -> Path:
    """Path of a data set that is there and whole; otherwise a DataError that says how to get it."""
    found = status_of(dataset(name), folder)
    if found.state is not DatasetState.PRESENT:
        raise DataError(
            f"data set {name} is {found.state} at {found.path} (folder set by {DATA_DIR_VARIABLE}): "
            f"{found.detail}"
        )
    return found.path


def how_to_get(each: Dataset) -> str:
    """One line on how to obtain a data set."""
    return f"`detabed data fetch {each.name}` downloads it" if each.can_be_fetched else each.instructions


def check_file(each: Dataset, path: Path) -> str:
    """What is wrong with the content of ``path``, empty when nothing is."""
    if each.content_md5 is None:
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return "" if digest == each.sha256 else f"{path.name} has sha256 {digest}, expected {each.sha256}"
    content = hashlib.md5(usedforsecurity=False)
    length = 0
    try:
        with gzip.open(path, "rb") as stream:
            while chunk := stream.read(CHUNK_BYTES):
                content.update(chunk)
                length += len(chunk)
                if length > MAX_CONTENT_BYTES:
                    return f"{path.name} holds more than {MAX_CONTENT_BYTES} bytes when decompressed"
    except (OSError, EOFError, zlib.error) as error:
        return f"{path.name} is not a whole gzip file ({error})"
    if content.hexdigest() == each.content_md5:
        return ""
    return f"{path.name} has content md5 {content.hexdigest()}, expected {each.content_md5}"
