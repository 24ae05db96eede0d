"""A link's rate over time, and a sender that keeps to it."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.studies.terminal.shaper import CHUNK_BYTES, RateSchedule, ShapedSender

rates = st.lists(st.floats(1e3, 1e8), min_size=1, max_size=8)


@given(rates, st.floats(0.0, 20.0), st.floats(1.0, 1e6))
def test_bits_sent_are_the_integral_of_the_rate(values: list[float], begin: float, size: float) -> None:
    schedule = RateSchedule.stepped(values, 1.0)
    end = schedule.finish_s(begin, size)
    edges = [begin, *[float(k) for k in range(1, len(values)) if begin < k < end], end]
    sent = sum(schedule.at((a + b) / 2) * (b - a) for a, b in pairwise(edges))
    assert sent == pytest.approx(8 * size, rel=1e-6)


class Clock:
    """A clock that advances only by sleeping, slightly late each time, as on a real machine."""

    def __init__(self, late_s: float) -> None:
        self.now, self.late_s = 5.0, late_s

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds + self.late_s


@given(st.integers(1, 20_000), st.floats(1e4, 1e7), st.floats(0.0, 1e-3))
def test_a_message_takes_its_time_on_the_air_and_lateness_does_not_add_up(
    size: int, rate: float, late: float
) -> None:
    clock, sent = Clock(late), []
    sender = ShapedSender(sent.append, clock, clock.sleep)
    sender.set_schedule(RateSchedule.constant(rate))
    sender.send(bytes(size))
    assert sender.sent_bytes == sum(map(len, sent)) == size
    assert all(len(chunk) <= CHUNK_BYTES for chunk in sent)
    assert 8 * size / rate <= sender.elapsed_s + 1e-9
    assert sender.elapsed_s <= 8 * size / rate + late + 1e-9


def test_idle_time_is_not_saved_up() -> None:
    clock = Clock(0.0)
    sender = ShapedSender(lambda chunk: None, clock, clock.sleep)
    sender.set_schedule(RateSchedule.constant(8000.0))
    clock.now += 100.0
    before = clock.now
    sender.send(bytes(1000))
    assert clock.now - before == pytest.approx(1.0)
    sender.set_schedule(RateSchedule.constant(math.inf))
    sender.send(bytes(1000))
    assert clock.now - before == pytest.approx(1.0)


def test_bad_schedules_are_refused() -> None:
    for starts, values in (((1.0,), (1.0,)), ((0.0, 0.0), (1.0, 1.0)), ((0.0,), (0.0,)), ((0.0,), ())):
        with pytest.raises(ValueError):
            RateSchedule(starts, values)
