"""What the command line turns into a message and an exit code, never a traceback."""

from __future__ import annotations

import errno


class UsageError(Exception):
    """Bad input: refused before anything starts, exit code 2. The message says what to do next."""


class RunError(Exception):
    """A run that started and could not be finished: exit code 1."""


class FailedRunError(RunError):
    """A run that ended and may not count as done: ``reasons`` say why; its folder keeps what there is."""

    def __init__(self, folder: object, reasons: tuple[str, ...]) -> None:
        self.reasons = reasons
        super().__init__(f"{folder}: {'; '.join(reasons)}")


def describe_failure(error: Exception) -> str:
    """One sentence; a full disk is called that, whichever part met it."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = f" ({error.filename})" if error.filename else ""
        return f"the disk is full{where}; make room, or give another --output"
    return str(error)
