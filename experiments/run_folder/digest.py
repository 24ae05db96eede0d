"""Whether a folder's scenario is the one its run began with."""

from __future__ import annotations

import hashlib
from pathlib import Path

from experiments.run_folder.files import SCENARIO


def scenario_sha256(folder: Path) -> str:
    """Of the scenario as the run wrote it."""
    return hashlib.sha256((folder / SCENARIO).read_bytes()).hexdigest()
