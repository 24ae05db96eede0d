"""What is installed on the board for this Python."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Sequence
from importlib import metadata, util
from pathlib import Path

ENDINGS = (".py", ".toml", ".csv", ".json", ".proto", ".j2", ".css", ".js", ".npz", ".html", ".txt", ".typed")
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


def from_checkout(package: str) -> str | None:
    """Where the checkout lies that a package runs from (``pip install --editable``); None: it runs from none."""
    try:
        said = json.loads(metadata.distribution(package).read_text("direct_url.json") or "{}")
    except metadata.PackageNotFoundError:
        return None
    return str(said.get("url")) if said.get("dir_info", {}).get("editable") else None


def code_digest(packages: Sequence[str]) -> str | None:
    """SHA-256 over names and contents of all files of import packages, wherever they are installed; None: one is
    missing."""
    found: list[tuple[str, Path]] = []
    for package in packages:
        spec = util.find_spec(package)
        if spec is None or spec.origin is None:
            return None
        folder = Path(spec.origin).parent
        names = ((f"{package}/{path.relative_to(folder).as_posix()}", path) for path in folder.rglob("*"))
        found += [(name, path) for name, path in names if belongs(name) and path.is_file()]
    return digest((name, path.read_bytes()) for name, path in found)


def belongs(name: str) -> bool:
    """Whether a file is part of a package, by its name."""
    return name.endswith(ENDINGS) and "__pycache__" not in name.split("/")


def digest(files: Iterable[tuple[str, bytes]]) -> str:
    """SHA-256 over names and contents, in any order."""
    found = hashlib.sha256()
    for name, body in sorted((name, hashlib.sha256(content).hexdigest()) for name, content in files):
        found.update(f"{name} {body}\n".encode())
    return found.hexdigest()
