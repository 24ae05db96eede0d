"""Errors that the command line reports as a message and an exit code, without a traceback."""

from __future__ import annotations

import errno


class UsageError(Exception):
    """Bad input: refused before anything starts, exit code 2. The message says what to do next."""


class RunError(Exception):
    """A run that started and could not be finished: exit code 1."""


class FailedRunError(RunError):
    """A run that ended and does not count as done, with ``reasons``; its folder keeps its files."""

    def __init__(self, folder: object, reasons: tuple[str, ...]) -> None:
        self.reasons = reasons
        super().__init__(f"{folder}: {'; '.join(reasons)}")


def describe_failure(error: Exception) -> str:
    """One sentence; a full disk is named as such in every part."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = f" ({error.filename})" if error.filename else ""
        return f"the disk is full{where}; make room, or give another --output"
    return str(error)
