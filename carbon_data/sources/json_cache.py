"""Answers of a service kept on disk: one JSON file a key, written atomically, stale or broken ones not
used.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


class JsonCache:
    """A folder of JSON documents by key; it may lose any of them, and never returns another key's."""

    def __init__(self, folder: Path, now_s: Callable[[], float]) -> None:
        self._folder = folder
        self._now_s = now_s

    def get(self, key: str, keep_s: float | None) -> Any:
        """Document of ``key``; None when there is none, it is older than ``keep_s``, or broken."""
        try:
            kept = json.loads(self._path(key).read_bytes())
        except (OSError, ValueError, RecursionError):
            return None
        if (
            not isinstance(kept, dict)
            or kept.get("key") != key
            or not isinstance(kept.get("stored_s"), (int, float))
        ):
            return None
        age_s = self._now_s() - kept["stored_s"]
        # A stored time in the future is a clock that was wrong: not to be trusted with an age.
        if keep_s is not None and not 0 <= age_s <= keep_s:
            return None
        return kept.get("document")

    def put(self, key: str, document: Any) -> None:
        """Keep ``document``; a folder that cannot be written only costs a repeated request."""
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            handle, partial = tempfile.mkstemp(prefix=".", suffix=".part", dir=self._folder)
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as stream:
                    json.dump({"key": key, "stored_s": self._now_s(), "document": document}, stream)
                os.replace(partial, self._path(key))
            except BaseException:
                os.unlink(partial)
                raise

    def _path(self, key: str) -> Path:
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"
