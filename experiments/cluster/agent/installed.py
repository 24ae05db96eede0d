"""What is installed on the board for this Python."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from importlib import metadata, util
from pathlib import Path

ENDINGS = (".py", ".toml", ".csv", ".json", ".proto", ".j2", ".css", ".js", ".npz", ".txt", ".typed")
"""Of files that belong to a package."""


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Python's and that of each package; a missing one is left out. A build (``+cpu``) is no other version."""
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    for name in packages:
        try:
            found[name] = metadata.version(name).partition("+")[0]
        except metadata.PackageNotFoundError:
            continue
    return found


def code_digest(packages: Sequence[str]) -> str | None:
    """SHA-256 over names and contents of all files of import packages, wherever they are installed; None: one is
    missing."""
    found = hashlib.sha256()
    for package in packages:
        spec = util.find_spec(package)
        if spec is None or spec.origin is None:
            return None
        folder = Path(spec.origin).parent
        for path in sorted(folder.rglob("*")):
            if path.suffix in ENDINGS and "__pycache__" not in path.parts and path.is_file():
                body = hashlib.sha256(path.read_bytes()).hexdigest()
                found.update(f"{package}/{path.relative_to(folder).as_posix()} {body}\n".encode())
    return found.hexdigest()
