"""Files that are whole or not there."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path to write to, beside ``path``, which it replaces in one step when the block ends.

    An error in the block leaves ``path`` as it was and nothing beside it. Processes and threads may write the same
    ``path`` at once: the last one to end wins.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        yield draft
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def write_durably(path: Path, content: bytes) -> None:
    """Replace ``path`` by ``content`` in one step that outlives a power cut: afterwards it is the old file or the new
    one, and once this returns the new one."""
    with whole_file(path) as draft, draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    sync(path.parent)  # the name as well


def sync(path: Path) -> None:
    """What a file holds, or the names in a folder, is on disk when this returns."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
