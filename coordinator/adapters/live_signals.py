"""Live intensities as the coordinator asks for them. Runs without any do not load what speaks HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from coordinator.config import CoordinatorConfig

if TYPE_CHECKING:
    from carbon_data.live.feed import Frozen


class LiveSignals(Protocol):
    """Signals that are polled until ``close``."""

    def freeze(self, slots: int) -> tuple[datetime, tuple[Frozen, ...]]:
        """The present time and what a slot that begins now takes of each signal, with forecasts of the ``slots`` slots
        after it. Raises RequestError where a value is missing or too old."""
        ...

    def close(self) -> None:
        """Poll no longer."""
        ...


def open_signals(config: CoordinatorConfig) -> LiveSignals | None:
    """The live signals of a run, polled from now on; None where it has none. Raises DataError."""
    if config.live is None:
        return None
    from coordinator.adapters.polled_signals import PolledSignals  # see the first line

    return PolledSignals(config.live)
