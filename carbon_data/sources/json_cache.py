"""Answers of a service kept on disk: one JSON file per key; stale or broken ones are not used."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from carbon_data.files.whole import whole_file


class JsonCache:
    """A folder of JSON documents by key; it may lose any of them, and never returns another key's."""

    def __init__(self, folder: Path, now_s: Callable[[], float]) -> None:
        self._folder = folder
        self._now_s = now_s

    def get(self, key: str, keep_s: float | None) -> Any:
        """Document of ``key``; None when there is none, it is older than ``keep_s``, or broken."""
        try:
            kept = json.loads(self._path(key).read_bytes())
            age_s = self._now_s() - kept["stored_s"]
            # A stored time in the future is a clock that was wrong: not to be trusted with an age.
            if kept["key"] == key and (keep_s is None or 0 <= age_s <= keep_s):
                return kept["document"]
        except (OSError, ValueError, TypeError, LookupError, RecursionError):
            pass
        return None

    def put(self, key: str, document: Any) -> None:
        """Keep ``document``; a folder that cannot be written only costs a repeated request."""
        kept = {"key": key, "stored_s": self._now_s(), "document": document}
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            with whole_file(self._path(key)) as draft:
                draft.write_text(json.dumps(kept), encoding="utf-8")

    def _path(self, key: str) -> Path:
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"
