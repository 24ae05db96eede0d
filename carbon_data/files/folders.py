"""Folders of files that are not part of the package: from a setting, or in the user's cache folder."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path

DATA_DIR_VARIABLE = "DETABED_DATA_DIR"


def cache_dir() -> Path:
    """This project's folder in the user's cache folder, by the custom of the system; may not exist."""
    return user_cache_path("detabed", appauthor=False, opinion=False)


def data_dir() -> Path:
    """Folder of large data files: that named by DETABED_DATA_DIR, or ``data`` in the cache folder."""
    named = os.environ.get(DATA_DIR_VARIABLE, "").strip()
    return Path(named).expanduser() if named else cache_dir() / "data"
