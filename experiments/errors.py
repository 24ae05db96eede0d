"""What the command line turns into a message and an exit code, never a traceback."""

from __future__ import annotations


class UsageError(Exception):
    """Bad input: refused before anything starts, exit code 2. The message says what to do next."""


class RunError(Exception):
    """A run that started and could not be finished: exit code 1."""


class FailedRunError(RunError):
    """A run that ended and may not count as done: ``reasons`` say why; its folder keeps what there is."""

    def __init__(self, folder: object, reasons: tuple[str, ...]) -> None:
        self.reasons = reasons
        super().__init__(f"{folder}: {'; '.join(reasons)}")
