"""A user's Flower project that came to a board as Flower's bundle, a zip file: compared with its hash, and unpacked."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from io import BytesIO
from pathlib import Path, PurePosixPath

from edge_node.adapters.flower_private import MAX_BUNDLE_BYTES

UNPACKED = "app-{sha256}"
MAX_UNPACKED_BYTES = 10 * MAX_BUNDLE_BYTES
"""Of all files (choice); Flower bounds the bundle itself."""


def unpack_bundle(bundle: bytes, sha256: str, folder: Path) -> Path:
    """The project in a new folder below ``folder``. Raises ValueError for anything but the bundle of this hash."""
    if (found := hashlib.sha256(bundle).hexdigest()) != sha256:
        raise ValueError(f"the app came with sha256 {found}, and not {sha256}")
    target = folder / UNPACKED.format(sha256=sha256)
    shutil.rmtree(target, ignore_errors=True)
    try:
        with zipfile.ZipFile(BytesIO(bundle)) as packed:
            _check(packed.infolist())
            packed.extractall(target)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        shutil.rmtree(target, ignore_errors=True)
        raise ValueError(f"the app's bundle cannot be unpacked: {error}") from error
    return target


def remove_bundles(folder: Path) -> None:
    """All that was unpacked below ``folder``."""
    for old in folder.glob(UNPACKED.format(sha256="*")):
        shutil.rmtree(old)


def _check(members: list[zipfile.ZipInfo]) -> None:
    total = sum(member.file_size for member in members)
    if total > MAX_UNPACKED_BYTES:
        raise ValueError(f"its files have {total} bytes, allowed are {MAX_UNPACKED_BYTES}")
    for member in members:
        name = PurePosixPath(member.filename)
        if name.is_absolute() or ".." in name.parts or "\\" in member.filename:
            raise ValueError(f"{member.filename!r} is no name below a folder")
