"""Power samples on monotonic stamps, integrated by the trapezoid rule in exact integers. Pure.

Energy is summed in units of half a microwatt-nanosecond, in which every trapezoid is a whole number: windows that touch
add up to the window around them. A window's 95 % interval:

    half width = t(dof) * sqrt(s2 * sum(h_i^2) + range^2 / 12 * sum(g_j^2) + (resolution * T)^2 / 12)

with h_i the distances between samples and g_j those that are gaps. s2 is the variance per sample as it adds up over
a window, from differences of successive means of batches: a batch lasts at most a tenth of a second and has at most
ten samples, so that what cancels within it does not count, and what stays from sample to sample does. It is the larger
one of the window's own mean and the mean over the last ``MEMORY_BATCHES``: a short window cannot show its spread by
itself. Differences have about 2/3 of a degree of freedom each (von Neumann and others, 1941).
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace

from edge_node.meters.sampling.reading import Reading
from edge_node.meters.sampling.student import quantile_95
from protos.messages.terms import MeterKind

NS_PER_S = 1_000_000_000
PER_UJ = 2 * NS_PER_S
"""Units of energy sums in a microjoule."""
BATCH_S, BATCH_SAMPLES = 0.1, 10
MEMORY_BATCHES = 40
DOF_PER_DIFFERENCE = 2 / 3
GAP_PERIODS, GAP_S = 3.0, 0.02
"""Samples further apart than this many periods, and than this, have a gap between them. Random moments lie up to two
periods apart; a read that a busy processor delays by some milliseconds counts with its distance."""


STUCK_S, STUCK_SAMPLES = 1.0, 100
"""A fine sensor that shows the same for this long and this often, in this window and those before, is stuck: a power
that it reads has noise."""
FINE_FRACTION = 1e-3
"""A sensor is fine where its step is at most this share of what it shows, or is not stated."""


class SampleError(ValueError):
    """A sample that no power sensor can have given, or too few of them."""


@dataclass(slots=True)
class Sums:
    """What a sensor's samples add up to since the first one."""

    energy: int = 0
    """In units of half a microwatt-nanosecond."""
    samples: int = 0
    covered_ns: int = 0
    squares_ns2: int = 0
    """Of the distances between samples that are no gaps."""
    gap_squares_ns2: int = 0
    gaps: int = 0
    differences: int = 0
    batch_squares: int = 0
    """Of the differences between the sums of successive batches."""


@dataclass(eq=False, slots=True)
class Mark:
    """A window's edge: the sums at one moment, known once a sample at or after it is in."""

    at_ns: int
    as_end: Sums | None = None
    as_begin: Sums | None = None
    """Differs where the edge lies between two samples: a square is divided into the squares of its parts."""
    low_uw: int = 0
    high_uw: int = 0
    """Least and greatest sample from the one before the edge on."""


class Integral:
    """Running sums of one sensor's samples."""

    def __init__(
        self,
        rate_hz: float,
        resolution_uw: int = 0,
        kind: MeterKind = MeterKind.POWER,
        steady: bool = False,
        may_rest: bool = False,
    ) -> None:
        """``rate_hz`` intended; ``resolution_uw``: the sensor's smallest step; ``steady``: it may show the same for
        long and is not stuck then; ``may_rest``: likewise zero alone, as a panel does at night."""
        self._steady, self._may_rest = steady, may_rest
        self._kind, self._resolution_uw = kind, resolution_uw
        self._gap_ns = int(max(GAP_PERIODS / rate_hz, GAP_S) * NS_PER_S)
        self._batch = max(1, min(BATCH_SAMPLES, int(rate_hz * BATCH_S)))
        self._memory: deque[int] = deque(maxlen=MEMORY_BATCHES)
        self._sums = Sums()
        self._last: tuple[int, int] | None = None
        self._same: tuple[int, int, int] = (-1, 0, 0)
        """What it shows, since when, and in how many samples."""
        self._batch_sum, self._in_batch = 0, 0
        self._batch_before: int | None = None
        self._open: list[Mark] = []
        self._waiting: deque[Mark] = deque()

    @property
    def ready(self) -> bool:
        """Whether there are enough samples for an interval."""
        return bool(self._memory)

    def mark(self, at_ns: int) -> Mark:
        """A window's edge, after the last sample and not before the edges set earlier."""
        if self._last is not None and at_ns <= self._last[0]:
            raise ValueError(f"edge at {at_ns} ns is not after the last sample, at {self._last[0]} ns")
        if self._waiting and at_ns < self._waiting[-1].at_ns:
            raise ValueError(
                f"edge at {at_ns} ns after one at {self._waiting[-1].at_ns} ns; set them in order"
            )
        found = Mark(at_ns)
        self._waiting.append(found)
        return found

    def forget(self, mark: Mark) -> None:
        """Nothing is kept for ``mark`` any longer."""
        for kept in (self._open, self._waiting):
            if mark in kept:
                kept.remove(mark)

    def add(self, at_ns: int, power_uw: int) -> None:
        """The next sample. Raises SampleError for a negative power or a stamp that does not rise."""
        if power_uw < 0:
            raise SampleError(
                f"a power of {power_uw} uW; powers are at least 0: is the sensor wired in reverse?"
            )
        if self._last is not None:
            if at_ns <= self._last[0]:
                raise SampleError(f"a sample at {at_ns} ns after one at {self._last[0]} ns; stamps rise")
            self._step(self._last, (at_ns, power_uw))
        shown, since_ns, count = self._same
        self._same = (shown, since_ns, count + 1) if shown == power_uw else (power_uw, at_ns, 1)
        self._sums.samples += 1
        self._last = (at_ns, power_uw)
        self._batches(power_uw)

    def close(self, begin: Mark, end: Mark) -> Reading:
        """The window between two edges. Raises SampleError where samples before or after it are missing."""
        first, last = begin.as_begin, end.as_end
        if first is None or last is None:
            raise SampleError("the window is not enclosed by samples: read once before and once after it")
        duration_ns = end.at_ns - begin.at_ns
        if duration_ns <= 0:
            raise SampleError(f"a window of {duration_ns} ns; a window is longer than nothing")
        self._refuse_stuck(begin)
        if last.samples == first.samples:
            # Both edges lie between the same two samples: one part of a square, not the rest of two.
            in_gap = last.gaps > first.gaps
            squares = (0, duration_ns**2) if in_gap else (duration_ns**2, 0)
            last = replace(
                last,
                squares_ns2=first.squares_ns2 + squares[0],
                gap_squares_ns2=first.gap_squares_ns2 + squares[1],
            )
        half_width_uj, bias_uj = self._half_width_uj(first, last, duration_ns, begin.high_uw - begin.low_uw)
        return Reading(
            kind=self._kind,
            energy_uj=last.energy // PER_UJ - first.energy // PER_UJ,
            half_width_uj=half_width_uj,
            bias_uj=bias_uj,
            rate_hz=(last.samples - first.samples) * NS_PER_S / duration_ns,
            coverage_fraction=(last.covered_ns - first.covered_ns) / duration_ns,
            gaps=last.gaps - first.gaps,
            duration_ns=duration_ns,
        )

    def _refuse_stuck(self, begin: Mark) -> None:
        shown, since_ns, count = self._same
        assert self._last is not None  # a window is enclosed by samples
        lasted_ns = self._last[0] - since_ns
        still = self._steady or (self._may_rest and shown == 0)
        fine = not still and self._resolution_uw <= FINE_FRACTION * shown
        if (
            fine
            and begin.low_uw == begin.high_uw
            and count >= STUCK_SAMPLES
            and lasted_ns >= STUCK_S * NS_PER_S
        ):
            raise SampleError(
                f"the sensor showed {shown / 1e6:.6g} W in all of {count} samples: it is stuck; plug it in again"
            )

    def _step(self, before: tuple[int, int], after: tuple[int, int]) -> None:
        """The way between two samples, and the edges that lie in it."""
        (before_ns, before_uw), (after_ns, after_uw) = before, after
        step_ns, low, high = after_ns - before_ns, min(before_uw, after_uw), max(before_uw, after_uw)
        for mark in self._open:
            mark.low_uw, mark.high_uw = min(mark.low_uw, low), max(mark.high_uw, high)
        while self._waiting and self._waiting[0].at_ns <= after_ns:
            mark = self._waiting.popleft()
            if mark.at_ns <= before_ns:
                continue  # before the first sample: never enclosed
            part_ns = mark.at_ns - before_ns
            mark.as_end = self._after(part_ns, before, after)
            whole, rest_ns = self._after(step_ns, before, after), step_ns - part_ns
            gap = step_ns > self._gap_ns
            mark.as_begin = replace(
                mark.as_end,
                squares_ns2=whole.squares_ns2 - (0 if gap else rest_ns * rest_ns),
                gap_squares_ns2=whole.gap_squares_ns2 - (rest_ns * rest_ns if gap else 0),
                gaps=whole.gaps - (gap and rest_ns > 0),
            )
            mark.low_uw, mark.high_uw = low, high
            self._open.append(mark)
        self._sums = self._after(step_ns, before, after)
        if step_ns > self._gap_ns:
            self._batch_sum, self._in_batch, self._batch_before = 0, 0, None

    def _after(self, part_ns: int, before: tuple[int, int], after: tuple[int, int]) -> Sums:
        """The sums ``part_ns`` after the sample ``before``; power changes evenly until ``after``."""
        sums, step_ns = self._sums, after[0] - before[0]
        rise = (after[1] - before[1]) * part_ns * part_ns // step_ns
        energy = sums.energy + 2 * before[1] * part_ns + rise
        if step_ns > self._gap_ns:
            return replace(
                sums,
                energy=energy,
                gap_squares_ns2=sums.gap_squares_ns2 + part_ns * part_ns,
                gaps=sums.gaps + 1,
            )
        return replace(
            sums,
            energy=energy,
            covered_ns=sums.covered_ns + part_ns,
            squares_ns2=sums.squares_ns2 + part_ns * part_ns,
        )

    def _batches(self, power_uw: int) -> None:
        self._batch_sum += power_uw
        self._in_batch += 1
        if self._in_batch < self._batch:
            return
        if self._batch_before is not None:
            square = (self._batch_sum - self._batch_before) ** 2
            self._memory.append(square)
            self._sums.batch_squares += square
            self._sums.differences += 1
        self._batch_before, self._batch_sum, self._in_batch = self._batch_sum, 0, 0

    def _half_width_uj(self, first: Sums, last: Sums, duration_ns: int, range_uw: int) -> tuple[int, int]:
        """Of the whole interval, and of its part that every window has alike."""
        if not self._memory:
            raise SampleError("too few samples for an interval: sample faster, or take longer windows")
        own = last.differences - first.differences
        spreads = [sum(self._memory) / len(self._memory)]
        if own:
            spreads.append((last.batch_squares - first.batch_squares) / own)
        # (difference of two means)^2 / 2 is the variance of a batch's mean; times its samples, that of a sample.
        variance_uw2 = max(spreads) / (2 * self._batch)
        step_uw2_ns2 = (self._resolution_uw * duration_ns) ** 2 / 12
        uw2_ns2 = (
            variance_uw2 * (last.squares_ns2 - first.squares_ns2)
            + range_uw**2 / 12 * (last.gap_squares_ns2 - first.gap_squares_ns2)
            + step_uw2_ns2
        )
        t = quantile_95(DOF_PER_DIFFERENCE * max(own, len(self._memory)))
        half_width_uj, bias_uj = (
            math.ceil(t * math.sqrt(square) / NS_PER_S) for square in (uw2_ns2, step_uw2_ns2)
        )
        return half_width_uj, bias_uj
