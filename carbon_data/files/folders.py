"""Where files that are not part of the package live: a setting, or the user's cache folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

DATA_DIR_VARIABLE = "DETABED_DATA_DIR"


def cache_dir() -> Path:
    """This project's folder in the user's cache folder, by the custom of the system; may not exist."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "detabed"


def data_dir() -> Path:
    """Folder of large data files: that named by DETABED_DATA_DIR, or ``data`` in the cache folder."""
    named = os.environ.get(DATA_DIR_VARIABLE, "").strip()
    return Path(named).expanduser() if named else cache_dir() / "data"
