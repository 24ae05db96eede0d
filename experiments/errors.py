"""What the command line turns into a message and an exit code, never a traceback."""

from __future__ import annotations


class UsageError(Exception):
    """Bad input: refused before anything starts, exit code 2. The message says what to do next."""


class RunError(Exception):
    """A run that started and could not be finished: exit code 1."""
