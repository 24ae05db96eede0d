"""Results of cells, each in a file named by its key: in the sweep's folder, and in the user's cache for other sweeps.

A file that is there is whole: it is written beside and moved into place, with the hash of its content. One that cannot
be read, or whose content has another hash, is none: its run is computed again. The folder is what a sweep is resumed
from: an error in it ends the sweep; one in the cache ends the use of the cache, and is said.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

from carbon_data.files.folders import cache_dir
from carbon_data.files.whole import whole_file
from experiments.sweep.files import RESULTS

Result = dict[str, Any]


class Store:
    """Where results are kept. ``cache``: None for that of the user."""

    def __init__(self, folder: Path, cache: Path | None = None) -> None:
        self._own = folder / RESULTS
        self._cache = cache_dir() / "sweep" / RESULTS if cache is None else cache
        self.no_cache = ""
        """Why the cache is no longer written."""

    def get(self, key: str) -> Result | None:
        """The result under ``key``, from the folder or the cache; from now on it is in the folder."""
        found = _read(_place(self._own, key))
        if found is None:
            found = _read(_place(self._cache, key))
            if found is not None:
                _write(_place(self._own, key), found)
        return found

    def put(self, key: str, result: Result) -> None:
        """Keep ``result``. Raises OSError where the folder does not take it."""
        _write(_place(self._own, key), result)
        if not self.no_cache:
            try:
                _write(_place(self._cache, key), result)
            except OSError as error:
                self.no_cache = str(error)


def _place(folder: Path, key: str) -> Path:
    return folder / key[:2] / f"{key}.json"


def _read(path: Path) -> Result | None:
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found, dict) and isinstance(found.get("result"), dict):
            result: Result = found["result"]
            return result if found.get("sha256") == _sha256(result) else None
    return None


def _sha256(result: Result) -> str:
    """Of ``result`` as it is written."""
    return hashlib.sha256(json.dumps(result, allow_nan=False).encode()).hexdigest()


def _write(path: Path, result: Result) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as draft:
        told = {"sha256": _sha256(result), "result": result}
        draft.write_text(json.dumps(told, allow_nan=False), encoding="utf-8")
