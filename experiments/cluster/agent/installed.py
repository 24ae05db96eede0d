"""What is installed on the board for this Python."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib import metadata


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Python's and that of each package; a missing one is left out. A build (``+cpu``) is no other version."""
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    for name in packages:
        try:
            found[name] = metadata.version(name).partition("+")[0]
        except metadata.PackageNotFoundError:
            continue
    return found
