"""Temporary folder of Ray, and the largest length of its path.

Ray makes Unix sockets below it, whose paths have at most 107 bytes on Linux (``sun_path`` of sockaddr_un, unix(7)) and
103 on macOS.
"""

from __future__ import annotations

import sys
import tempfile

from experiments.errors import UsageError

PREFIX = "detabed-"
BELOW_PARENT = "r"
"""Ray's own folder, below one with a random name that only its owner may enter."""
LONGEST_PATH_BYTES = 103 if sys.platform == "darwin" else 107
BELOW = f"/{PREFIX}12345678/{BELOW_PARENT}/session_2000-01-01_00-00-00_000000_1234567/sockets/plasma_store"
"""Longest path that Ray 2.55.1 appends to the temporary folder, with a process number of seven digits."""


def require_short_folder(folder: str | None = None) -> None:
    """Raises UsageError where sockets below ``folder`` (default: the temporary folder) would have too long a path."""
    folder = tempfile.gettempdir() if folder is None else folder
    allowed = LONGEST_PATH_BYTES - len(BELOW)
    if (length := len(folder.encode())) > allowed:
        raise UsageError(
            f"TMPDIR is {folder!r}, {length} bytes; Ray's sockets need a temporary folder of at most {allowed}: set "
            'e.g. TMPDIR=/tmp, or fleet.kind = "inprocess"'
        )
