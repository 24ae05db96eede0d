"""Interface of an actuator: puts one board to sleep, and wakes it."""

from __future__ import annotations

from typing import Protocol


class ActuatorError(ValueError):
    """What was to be switched was not: says what, and why. The board then counts as awake."""


class Actuator(Protocol):
    """Of one board. Its methods block, for as long as the time limit of the configuration allows."""

    def check(self) -> None:
        """Raises ActuatorError where it cannot work here; switches nothing, runs nothing."""
        ...

    def down(self) -> None:
        """The board sleeps when this returns. Raises ActuatorError."""
        ...

    def up(self) -> None:
        """The board is awake and ready when this returns; also where it was. Raises ActuatorError."""
        ...
