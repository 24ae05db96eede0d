"""The samples of one sensor, as they come in, made into readings of windows. Pure.

A sample that no sensor of this board can have shown is not taken: it leaves a gap, and the reason is kept for the
window that is missing because of it.
"""

from __future__ import annotations

from collections.abc import Iterable

from edge_node.meters.base import MeterError
from edge_node.meters.sampling.counted import Counted, Edge
from edge_node.meters.sampling.integral import Integral, Mark, SampleError
from edge_node.meters.sampling.limits import Limits
from edge_node.meters.sampling.reading import Reading
from edge_node.meters.sampling.ring import Sample, Status
from protos.messages.terms import MeterKind


class Samples:
    """Of the sensor ``spec``, of ``kind``, read ``rate_hz`` times a second in steps of ``resolution``.

    ``steady``: it may show the same for long; ``may_rest``: zero for long."""

    def __init__(
        self,
        spec: str,
        kind: MeterKind,
        rate_hz: float,
        resolution: int,
        limits: Limits,
        steady: bool = False,
        may_rest: bool = False,
    ) -> None:
        self._spec, self._limits = spec, limits
        self._refused = ""
        self.refused_since_ns: int | None = None
        """Stamp of the first sample that was refused; None where one was taken since."""
        self._sums: Counted | Integral = (
            Counted(resolution, may_rest)
            if kind is MeterKind.COUNTER
            else Integral(rate_hz, resolution, kind, steady, may_rest)
        )

    @property
    def ready(self) -> bool:
        """Whether a window that begins now can have an interval."""
        return self._sums.ready

    def take(self, samples: Iterable[Sample]) -> None:
        for sample in samples:
            if sample.status is Status.RESTARTED and isinstance(self._sums, Counted):
                self._sums.restarted()
            if sample.status is not Status.OK:
                continue
            if isinstance(self._sums, Integral) and (reason := self._limits.refuse_power(sample.value)):
                self._refuse(sample, reason)
                continue
            try:
                self._sums.add(sample.at_ns, sample.value)
                self.refused_since_ns = None
            except SampleError as error:
                self._refuse(sample, str(error))

    def _refuse(self, sample: Sample, reason: str) -> None:
        self._refused = reason
        if self.refused_since_ns is None:
            self.refused_since_ns = sample.at_ns

    def mark(self, at_ns: int) -> Mark | Edge:
        """A window's edge, after all samples."""
        return self._sums.mark(at_ns)

    def passed(self, edge: Mark | Edge) -> bool:
        """Whether there is a sample at or after ``edge``."""
        return edge.energy_uj is not None if isinstance(edge, Edge) else edge.as_end is not None

    def forget(self, edge: Mark | Edge) -> None:
        self._sums.forget(edge)  # type: ignore[arg-type]

    def close(self, begin: Mark | Edge, end: Mark | Edge, said: str = "") -> Reading:
        """The window between two edges; ``said``: what the sensor's process said last. Raises MeterError where the
        reading is missing or cannot be true."""
        try:
            reading = self._sums.close(begin, end)  # type: ignore[arg-type]
        except SampleError as error:
            raise MeterError(f"meter {self._spec}: {error}{self.why(said)}") from error
        finally:
            self.forget(begin)
        if reason := self._limits.refuse(reading):
            raise MeterError(f"meter {self._spec}: {reason}{self.why(said)}")
        return reading

    def why(self, said: str) -> str:
        """The last sample that was not taken, or what the process said."""
        reasons = [text for text in (self._refused, said) if text]
        return f"; last refused: {reasons[0]}" if reasons else ""
