"""Errors that the command line reports as a message and an exit code, without a traceback."""

from __future__ import annotations

from carbon_data.machine_faults import machine_fault


class UsageError(Exception):
    """Bad input: refused before anything starts, exit code 2. The message says what to do next."""


class PlacedError(UsageError):
    """Bad input whose message names the ``file`` with line and key."""

    def __init__(self, message: str, file: str = "") -> None:
        self.file = file
        super().__init__(message)


class RunError(Exception):
    """A run that started and could not be finished: exit code 1."""


class FailedRunError(RunError):
    """A run that ended and does not count as done, with ``reasons``; its folder keeps its files."""

    def __init__(self, folder: object, reasons: tuple[str, ...]) -> None:
        self.reasons = reasons
        super().__init__(f"{folder}: {'; '.join(reasons)}")


def describe_failure(error: Exception) -> str:
    """One sentence; a fault of the machine is named as such in every part, with what to do next."""
    return machine_fault(error) or str(error)
