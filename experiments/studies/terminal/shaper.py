"""A link's rate over time, and a sender that keeps to it.

The sender is a token bucket of depth zero: a radio cannot save up air time while idle. A chunk is handed to the
socket at the moment its last bit would have left an antenna at the scheduled rate, so that the receiver has a
message when, and not before, the air would have carried it.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from carbon_data.units import BITS_PER_BYTE

CHUNK_BYTES = 512


@dataclass(frozen=True)
class RateSchedule:
    """Piecewise constant rate: from ``starts_s[k]`` on it is ``bit_per_s[k]``; the last one lasts."""

    starts_s: tuple[float, ...]
    bit_per_s: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.starts_s) != len(self.bit_per_s) or not self.starts_s or self.starts_s[0] != 0.0:
            raise ValueError(
                f"a schedule needs as many starts as rates, the first start 0; got {len(self.starts_s)} starts and "
                f"{len(self.bit_per_s)} rates"
            )
        if any(b <= a for a, b in zip(self.starts_s, self.starts_s[1:], strict=False)):
            raise ValueError("starts of a schedule must rise")
        if not all(rate > 0 and not math.isnan(rate) for rate in self.bit_per_s):
            raise ValueError(f"rates of a schedule are {self.bit_per_s}; allowed are numbers > 0")

    @classmethod
    def constant(cls, bit_per_s: float) -> RateSchedule:
        """One rate for ever; infinity shapes nothing."""
        return cls((0.0,), (bit_per_s,))

    @classmethod
    def stepped(cls, bit_per_s: Sequence[float], step_s: float) -> RateSchedule:
        """A new rate every ``step_s``."""
        return cls(tuple(k * step_s for k in range(len(bit_per_s))), tuple(bit_per_s))

    def at(self, time_s: float) -> float:
        """Rate at a moment, bit/s."""
        return self.bit_per_s[max(0, bisect_right(self.starts_s, time_s) - 1)]

    def finish_s(self, begin_s: float, num_bytes: float) -> float:
        """When a transmission that begins at ``begin_s`` ends: the integral of the rate equals its bits."""
        bits, now = BITS_PER_BYTE * num_bytes, begin_s
        index = max(0, bisect_right(self.starts_s, begin_s) - 1)
        while True:
            rate = self.bit_per_s[index]
            done = now + bits / rate
            if index + 1 == len(self.starts_s) or done <= self.starts_s[index + 1]:
                return done
            bits -= rate * (self.starts_s[index + 1] - now)
            now = self.starts_s[index + 1]
            index += 1


class ShapedSender:
    """Sends bytes at a scheduled rate and counts them.

    Args:
        send: Takes a chunk; blocks until the system has it.
        clock: Seconds, monotone.
        sleep: Waits that many seconds.
    """

    def __init__(
        self, send: Callable[[bytes], None], clock: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        self._send, self._clock, self._sleep = send, clock, sleep
        self.sent_bytes = 0
        self.set_schedule(RateSchedule.constant(math.inf))

    def set_schedule(self, schedule: RateSchedule) -> None:
        """From now on this schedule, whose time 0 is now."""
        self._schedule = schedule
        self._zero_s = self._clock()
        self._free_s = 0.0

    @property
    def elapsed_s(self) -> float:
        """Since the schedule's time 0."""
        return self._clock() - self._zero_s

    def send(self, data: bytes) -> None:
        """Send ``data``; returns when its last bit has left."""
        for begin in range(0, len(data), CHUNK_BYTES):
            chunk = data[begin : begin + CHUNK_BYTES]
            # An idle transmitter begins now; a busy one where the last chunk ended, however late sleep woke up.
            start_s = max(self._free_s, self.elapsed_s) if begin == 0 else self._free_s
            self._free_s = self._schedule.finish_s(start_s, len(chunk))
            wait_s = self._free_s - self.elapsed_s
            if wait_s > 0:
                self._sleep(wait_s)
            self._send(chunk)
            self.sent_bytes += len(chunk)
