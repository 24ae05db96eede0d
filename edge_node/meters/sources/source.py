"""Interface of a source: one sensor, read by the sampler's process. Imports nothing of a node: it starts quickly."""

from __future__ import annotations

from typing import Protocol

from protos.messages.terms import MeterKind


class SourceError(RuntimeError):
    """A sensor that is absent, or a read that gave nothing usable: a gap, never zero."""


class Restarted(SourceError):
    """The sensor's counter restarted: what it counted between is not known."""


class Source(Protocol):
    """One sensor."""

    kind: MeterKind
    rate_hz: float
    """Reads a second that the sensor gives something new for."""
    resolution: int
    """Smallest step: microwatts of a power, microjoules of a counter.

    A source that may show the same power for long, and is not stuck then, has ``steady = True``: a recording.
    """

    def read(self) -> int:
        """Microwatts now; of a counter, microjoules since the source was made.

        Raises:
            SourceError: no reading.
        """
        ...

    def close(self) -> None:
        """Let go of the sensor."""
        ...


class Unwrapped:
    """A counter that wraps at ``range_uj``, as a total that does not."""

    def __init__(self, name: str, first_uj: int, range_uj: int | None = None) -> None:
        """Without ``range_uj`` a counter that falls has begun anew."""
        self._name, self._range_uj = name, range_uj
        self._last_uj, self._total_uj = first_uj, 0

    def total_uj(self, now_uj: int) -> int:
        """Microjoules since the first reading. Read it at least once per wrap. Raises Restarted."""
        if now_uj < 0:
            raise SourceError(f"counter {self._name} reads {now_uj} uJ; counters are at least 0")
        step, last_uj = now_uj - self._last_uj, self._last_uj
        self._last_uj = now_uj
        if step < 0 and self._range_uj is not None:
            step += self._range_uj
        if step < 0:
            self._total_uj += now_uj  # counted since it restarted
            raise Restarted(f"counter {self._name} fell from {last_uj} to {now_uj} uJ: it restarted")
        self._total_uj += step
        return self._total_uj
