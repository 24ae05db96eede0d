"""A sensor's own cumulative energy on monotonic stamps. Pure.

Reads that fail lose nothing: the next one has counted on. Between two reads the energy is taken to rise evenly. The
95 % interval is that of the two edges: a counter is as old as the time between its changes, and as coarse as its step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from edge_node.meters.sampling.integral import SampleError
from edge_node.meters.sampling.reading import Reading
from edge_node.meters.sampling.student import quantile_95
from protos.messages.terms import MeterKind

NS_PER_S = 1_000_000_000


@dataclass(eq=False, slots=True)
class Edge:
    """A window's edge; known once a read at or after it is in."""

    at_ns: int
    energy_uj: int | None = None
    samples: int = 0
    lost_ns: int = 0
    lost_uj: int = 0
    restarts: int = 0
    stale_ns: int = 0
    """Longest time without a change, from the edge on."""


class Counted:
    """Running total of one counter."""

    def __init__(self, resolution_uj: int = 0, may_rest: bool = False) -> None:
        """``may_rest``: it may stand still for a window, as that of a panel does at night."""
        self._resolution_uj, self._may_rest = resolution_uj, may_rest
        self._last: tuple[int, int] | None = None
        self._changed_ns = 0
        self._samples, self._lost_ns, self._lost_uj, self._restarts = 0, 0, 0, 0
        self._broken = False
        self._waiting: list[Edge] = []
        self._open: list[Edge] = []

    @property
    def ready(self) -> bool:
        """Whether the counter has been read."""
        return self._last is not None

    def mark(self, at_ns: int) -> Edge:
        """A window's edge, after the last read."""
        if self._last is not None and at_ns <= self._last[0]:
            raise ValueError(f"edge at {at_ns} ns is not after the last read, at {self._last[0]} ns")
        edge = Edge(at_ns)
        self._waiting.append(edge)
        return edge

    def forget(self, edge: Edge) -> None:
        """Nothing is kept for ``edge`` any longer."""
        for kept in (self._open, self._waiting):
            if edge in kept:
                kept.remove(edge)

    def restarted(self) -> None:
        """The counter restarted since the last read: the time up to the next read is a gap."""
        self._broken = True

    def add(self, at_ns: int, total_uj: int) -> None:
        """The next read. Raises SampleError for a total that falls or a stamp that does not rise."""
        if self._last is None:
            self._last, self._changed_ns, self._samples = (at_ns, total_uj), at_ns, 1
            self._waiting = [edge for edge in self._waiting if edge.at_ns > at_ns]
            return
        (before_ns, before_uj), step_ns = self._last, at_ns - self._last[0]
        if step_ns <= 0 or total_uj < before_uj:
            raise SampleError(
                f"a total of {total_uj} uJ at {at_ns} ns after {before_uj} uJ at {before_ns} ns; both rise"
            )
        step_uj = total_uj - before_uj
        if step_uj:
            for edge in self._open:
                edge.stale_ns = max(edge.stale_ns, at_ns - self._changed_ns)
            self._changed_ns = at_ns
        for edge in [each for each in self._waiting if each.at_ns <= at_ns]:
            self._waiting.remove(edge)
            part_ns = edge.at_ns - before_ns
            edge.energy_uj = before_uj + step_uj * part_ns // step_ns
            edge.samples, edge.restarts = self._samples, self._restarts
            edge.lost_ns = self._lost_ns + (part_ns if self._broken else 0)
            edge.lost_uj = self._lost_uj + (step_uj * part_ns // step_ns if self._broken else 0)
            self._open.append(edge)
        if self._broken:
            self._lost_ns += step_ns
            self._lost_uj += step_uj
            self._restarts += 1
            self._broken = False
        self._samples += 1
        self._last = (at_ns, total_uj)

    def close(self, begin: Edge, end: Edge) -> Reading:
        """The window between two edges. Raises SampleError where reads are missing or nothing was counted."""
        if begin.energy_uj is None or end.energy_uj is None:
            raise SampleError("the window is not enclosed by reads: read once before and once after it")
        duration_ns, energy_uj = end.at_ns - begin.at_ns, end.energy_uj - begin.energy_uj
        lost_ns, lost_uj = end.lost_ns - begin.lost_ns, end.lost_uj - begin.lost_uj
        if energy_uj <= lost_uj and not (self._may_rest and lost_ns < duration_ns):
            raise SampleError(
                f"the counter stood still for {duration_ns / NS_PER_S:g} s: it is stuck, or too coarse for this window"
            )
        counted_ns = duration_ns - lost_ns
        # Of a gap only what the new counter shows is known: the rest's mean stands for it, all of it as error.
        bridged = (energy_uj - lost_uj) * lost_ns // counted_ns if lost_ns else 0
        energy = energy_uj - lost_uj + max(bridged, lost_uj)
        power_uw = (energy_uj - lost_uj) * NS_PER_S / counted_ns
        stale_uj = power_uw * begin.stale_ns / NS_PER_S
        variance = 2 * (stale_uj**2 + self._resolution_uj**2) / 12 + max(bridged, lost_uj) ** 2 / 3
        return Reading(
            kind=MeterKind.COUNTER,
            energy_uj=energy,
            half_width_uj=math.ceil(quantile_95(1e9) * math.sqrt(variance)),
            rate_hz=(end.samples - begin.samples) * NS_PER_S / duration_ns,
            coverage_fraction=counted_ns / duration_ns,
            gaps=end.restarts - begin.restarts,
            duration_ns=duration_ns,
        )
