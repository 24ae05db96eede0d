"""Large data files: where they are found, whether they are whole, and how they are fetched.

Nothing is trusted by its name: a file is ``present`` only when its checksum agrees, and a download takes
its place in one atomic rename after it was checked, so that a broken one leaves nothing behind.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import tempfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from urllib3.exceptions import HTTPError

from carbon_data.files.dataset_list import DATASETS, Dataset
from carbon_data.files.folders import DATA_DIR_VARIABLE, data_dir
from carbon_data.files.http import open_session, reason
from carbon_data.types import DataError

CHUNK_BYTES = 1 << 16
MAX_CONTENT_BYTES = 256 * 1024 * 1024
"""Decompressing stops here: a few bytes of gzip can hold any number."""
SIZE_MARGIN = 2
"""A download larger than this many times the listed size is not the file that was asked for."""

Progress = Callable[[str, int, int | None], None]
"""Called with the data set's name, bytes received so far, and bytes expected (None when not said)."""


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
    """State of every data set, checksums included (about 30 MB are read when all are there)."""
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
    return f"`detabed data fetch {each.name}` downloads it" if each.urls else each.instructions


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


def fetch(
    names: Iterable[str] | None = None,
    progress: Progress | None = None,
    *,
    folder: Path | None = None,
    base_url: str | None = None,
    timeout_s: float = 30.0,
    datasets: Sequence[Dataset] = DATASETS,
) -> list[DatasetStatus]:
    """Download what is missing or corrupt among ``names`` (default: all there is to download).

    ``base_url`` takes the place of the public origins: ``base_url/<path of the data set>`` (a mirror in
    your own network). Raises DataError when a name is unknown, a file is derived and has no download, or no
    origin gives the right content.
    """
    known = {each.name: each for each in datasets}
    wanted = list(names) if names is not None else [each.name for each in datasets if each.urls]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise DataError(f"no data set is called {', '.join(unknown)}; there are {', '.join(known)}")
    results = []
    for name in wanted:
        each = known[name]
        if status_of(each, folder).state is not DatasetState.PRESENT:
            urls = (f"{base_url.rstrip('/')}/{each.path}",) if base_url else each.urls
            if not urls:
                raise DataError(f"data set {name} cannot be downloaded as it is; {each.instructions}")
            _download(each, urls, (folder or data_dir()) / each.path, progress, timeout_s)
        results.append(status_of(each, folder))
    return results


def _download(
    each: Dataset, urls: Sequence[str], target: Path, progress: Progress | None, timeout_s: float
) -> None:
    """Try the origins in turn; the first whose content checks is renamed into place."""
    faults = []
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise DataError(
            f"cannot write to {target.parent}: {error}; set {DATA_DIR_VARIABLE} to a folder of yours"
        ) from error
    with beside as folder:
        partial = Path(folder) / target.name
        for url in urls:
            fault = _receive(each, url, partial, progress, timeout_s) or check_file(each, partial)
            if not fault:
                os.replace(partial, target)
                return
            faults.append(f"{url}: {fault}")
    raise DataError(f"data set {each.name} could not be fetched, nothing was kept: " + "; ".join(faults))


def _receive(each: Dataset, url: str, partial: Path, progress: Progress | None, timeout_s: float) -> str:
    """Stream ``url`` into ``partial`` from its beginning; what went wrong, empty when all bytes came."""
    limit = max(SIZE_MARGIN * each.size_bytes, CHUNK_BYTES)
    received = 0
    try:
        with (
            open_session(url) as session,
            session.get(url, timeout=timeout_s, stream=True) as answer,
            partial.open("wb") as stream,
        ):
            if not answer.ok:
                return f"answers {answer.status_code}"
            length = answer.headers.get("Content-Length", "")
            expected = int(length) if length.isdigit() else None
            while chunk := answer.raw.read1(CHUNK_BYTES):
                stream.write(chunk)
                received += len(chunk)
                if received > limit:
                    return f"sends more than {limit} bytes, the file has about {each.size_bytes}"
                if progress is not None:
                    progress(each.name, received, expected)
            stream.flush()
            os.fsync(stream.fileno())
    except (OSError, HTTPError) as error:
        return f"broke off after {received} bytes ({reason(error)})"
    return ""
