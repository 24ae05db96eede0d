"""Files of a certificate folder and of a run's secret: read, and refused where others could read them."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

KEY, CERTIFICATE, AUTHORITY, REVOKED = "key.pem", "certificate.pem", "authority.pem", "revoked.pem"
"""Private key, certificate for it, certificate of the authority, and the authority's revocation list."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Private key, certificate and authority of a process, in PEM."""

    key: bytes
    certificate: bytes
    authority: bytes


def read_identity(folder: Path) -> Identity:
    """Raises ValueError for a file that lacks, cannot be read, or is a key that others can read."""
    return Identity(
        read_private(folder / KEY), _read(folder / CERTIFICATE, folder), _read(folder / AUTHORITY, folder)
    )


def read_private(path: Path) -> bytes:
    """A file that only its owner may read. Raises ValueError."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}; is it the folder meant?") from error
    if mode & 0o077:
        raise ValueError(f"others may read {path} (mode {mode:o}); do: chmod 600 {path}")
    return _read(path, path.parent)


def write_private(path: Path, content: bytes) -> None:
    """A new file that only its owner may read. Raises FileExistsError where there is one."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _read(path: Path, folder: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(
            f"{path} cannot be read: {error.strerror}; a certificate folder holds {KEY}, {CERTIFICATE}, {AUTHORITY} "
            f"and {REVOKED}: is {folder} the folder meant?"
        ) from error
