"""Downloads of large data files.

A download takes its place in one atomic rename after its content was checked, so that a broken one leaves nothing
behind. A module of its own, because a node looks for data files and downloads none: it needs no HTTP.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from urllib3.exceptions import HTTPError

from carbon_data.files.datasets import (
    CHUNK_BYTES,
    DATASETS,
    Dataset,
    DatasetState,
    DatasetStatus,
    check_file,
    status_of,
)
from carbon_data.files.folders import DATA_DIR_VARIABLE, data_dir
from carbon_data.files.http import open_session, reason
from carbon_data.files.package_file import take_from_package
from carbon_data.types import DataError

SIZE_MARGIN = 2
"""A download larger than this many times the listed size is not the file that was asked for."""

Progress = Callable[[str, int, int | None], None]
"""Called with the data set's name, bytes received so far, and bytes expected (None when not said)."""
Receive = Callable[[Path], str]
"""Writes the file; what went wrong, empty when nothing did."""


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
    wanted = (
        list(names) if names is not None else [each.name for each in datasets if each.urls]
    )  # no whole packages
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise DataError(f"no data set is called {', '.join(unknown)}; there are {', '.join(known)}")
    results = []
    for name in wanted:
        each = known[name]
        if status_of(each, folder).state is not DatasetState.PRESENT:
            urls = (f"{base_url.rstrip('/')}/{each.path}",) if base_url else each.urls
            origins = [(url, partial(_receive, each, url, progress, timeout_s)) for url in urls]
            if each.package and not base_url:
                name_of = f"package {each.package.split()[0]}"
                origins.append((name_of, partial(take_from_package, each.package)))
            if not origins:
                raise DataError(f"data set {name} cannot be downloaded as it is; {each.instructions}")
            _download(each, origins, (folder or data_dir()) / each.path)
        results.append(status_of(each, folder))
    return results


def _download(each: Dataset, origins: Sequence[tuple[str, Receive]], target: Path) -> None:
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
        draft = Path(folder) / target.name
        for origin, receive in origins:
            fault = receive(draft) or check_file(each, draft)
            if not fault:
                os.replace(draft, target)
                return
            faults.append(f"{origin}: {fault}")
    raise DataError(f"data set {each.name} could not be fetched, nothing was kept: " + "; ".join(faults))


def _receive(each: Dataset, url: str, progress: Progress | None, timeout_s: float, draft: Path) -> str:
    """Stream ``url`` into ``partial`` from its beginning; what went wrong, empty when all bytes came."""
    limit = max(SIZE_MARGIN * each.size_bytes, CHUNK_BYTES)
    received = 0
    try:
        with (
            open_session(url) as session,
            session.get(url, timeout=timeout_s, stream=True) as answer,
            draft.open("wb") as stream,
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
