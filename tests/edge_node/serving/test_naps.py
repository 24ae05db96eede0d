"""Sleep between batches: what work waits for, what is booked, and that nothing later than now is known."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_node.serving.naps import Forecast, Habits, Napper
from edge_node.serving.queue import Job, serve

WAKE_S, SLOT_S = 3.0, 100.0
Naps = Literal["reactive", "predictive"]
NEEDS = st.lists(st.tuples(st.integers(0, 90_000), st.integers(0, 9_000), st.integers(1, 5_000)), max_size=12)
"""Of each batch, in milliseconds: released, how long before that its first request was announced, board's time."""


class Exact(Forecast):
    """Knows when the next batch is released."""

    def window(self, asleep_from_s: float, wake_s: float) -> tuple[float, float] | None:
        later = self.needs_s[self.needs_s > asleep_from_s]
        if not len(later):
            return None
        return max(asleep_from_s, float(later[0]) - wake_s), float(later[0]) + 1e-6


def jobs_of(rows: list[tuple[int, int, int]]) -> tuple[list[Job], list[float]]:
    """Batches of one request, and when each is released."""
    jobs = [
        Job("n0", np.array([(need - told) / 1e3]), busy / 1e3, 0, 1, math.inf, need / 1e3)
        for need, told, busy in rows
    ]
    return jobs, [need / 1e3 for need, _, _ in rows]


def napper(rule: Naps, needs: list[float], idle_s: float = 2.0, kind: type[Forecast] = Forecast) -> Napper:
    return Napper(rule, WAKE_S, kind(np.sort(np.array(needs)), Habits(idle_s=idle_s, gaps=4)))


@pytest.mark.parametrize("rule", ["reactive", "predictive"])
@given(NEEDS)
def test_every_batch_is_answered_and_none_waits_longer_than_a_wake_up(
    rule: Naps, rows: list[tuple[int, int, int]]
) -> None:
    jobs, needs = jobs_of(rows)
    awake = serve(jobs, needs, 0.0)
    served, rest = napper(rule, needs).serve(jobs, needs, 0.0, SLOT_S)
    assert len(served.latency_s) == len(jobs)
    for late, prompt in zip(served.latency_s, awake.latency_s, strict=True):
        # Delays of earlier batches add up only while the queue is not empty.
        assert prompt - 1e-9 <= late <= prompt + WAKE_S * len(jobs) + 1e-9
    edges = [edge for interval in rest.asleep for edge in interval]
    assert edges == sorted(edges)
    asleep_s, wakes = rest.within(0.0, SLOT_S)
    assert 0.0 <= asleep_s <= SLOT_S
    busy_s = sum(job.service_s for job in jobs)
    assert asleep_s <= max(SLOT_S, served.free_s) - busy_s + 1e-9
    assert wakes <= 2 * len(jobs) + 1


@given(NEEDS)
def test_with_an_exact_forecast_no_work_waits_for_a_wake_up(rows: list[tuple[int, int, int]]) -> None:
    """As long as the board has been asleep for as long as waking takes."""
    jobs, needs = jobs_of(rows)
    served, rest = napper("predictive", needs, idle_s=0.0, kind=Exact).serve(jobs, needs, 0.0, SLOT_S)
    free_s = 0.0
    for k in sorted(range(len(jobs)), key=lambda k: (needs[k], k)):
        began_s = float(served.latency_s[k][0] + jobs[k].arrival_s[0] - jobs[k].service_s)
        assert began_s <= max(needs[k], free_s + WAKE_S) + 1e-6
        free_s = began_s + jobs[k].service_s
    assert all(since <= until for since, until in rest.asleep)


def test_a_batch_that_is_announced_early_enough_finds_the_board_awake() -> None:
    jobs, needs = jobs_of([(50_000, 4_000, 1_000)])
    early, rest = napper("predictive", needs).serve(jobs, needs, 0.0, SLOT_S)
    late, _ = napper("reactive", needs).serve(jobs, needs, 0.0, SLOT_S)
    assert early.latency_s[0] == pytest.approx([5.0])  # 4 s until its release, 1 s of work
    assert late.latency_s[0] == pytest.approx([8.0])  # and a wake-up
    assert rest.asleep == [(2.0, 47.0), (53.0, 100.0)]
    assert rest.wakes_s == [47.0]


def test_regular_work_is_expected_and_its_absence_ends_the_wait() -> None:
    needs = [float(at) for at in range(0, 60, 10)]
    jobs, _ = jobs_of([(int(at * 1_000), 0, 100) for at in needs])
    served, rest = napper("predictive", needs).serve(jobs, needs, 0.0, SLOT_S)
    assert served.latency_s[-1] == pytest.approx([0.1])  # it was awake
    # After the last batch, at 50 s, it wakes once more, waits for nothing, and sleeps to the end.
    assert rest.asleep[-2:] == [(pytest.approx(52.1), 57.0), (62.0, SLOT_S)]


@given(NEEDS, st.integers(0, 90_000))
def test_a_forecast_looks_at_nothing_later(rows: list[tuple[int, int, int]], now_ms: int) -> None:
    needs, now_s = np.sort(np.array([row[0] / 1e3 for row in rows])), now_ms / 1e3
    habits = Habits(gaps=4)
    known = Forecast(needs[needs <= now_s], habits)
    assert Forecast(needs, habits).window(now_s, WAKE_S) == known.window(now_s, WAKE_S)


def test_a_rest_over_the_end_of_a_slot_is_booked_once() -> None:
    """Two slots without work, and one batch in the second: asleep from 2 s on, across the border."""
    quiet, (jobs, needs) = napper("reactive", [150.0]), jobs_of([(150_000, 0, 1_000)])
    _, first = quiet.serve((), (), 0.0, SLOT_S)
    _, second = quiet.serve(jobs, needs, 0.0, 2 * SLOT_S)
    assert first.within(0.0, SLOT_S) == (98.0, 0)
    assert second.within(SLOT_S, 2 * SLOT_S) == (50.0 + 44.0, 1)  # until 150; from 153 + 1 + 2 on
