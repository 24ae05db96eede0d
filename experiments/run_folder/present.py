"""Whether a folder that somebody names is there."""

from __future__ import annotations

from pathlib import Path

from experiments.errors import UsageError


def require_folder(folder: Path) -> None:
    """Raises UsageError where ``folder`` is no folder."""
    if not folder.is_dir():
        what = "a file, not a folder" if folder.exists() else "no such folder"
        raise UsageError(f"{folder}: {what}; give a run folder, e.g. the one `detabed run` printed")
