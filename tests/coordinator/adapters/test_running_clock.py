"""Time in which the process ran."""

from __future__ import annotations

from coordinator.adapters.running_clock import RunningClock


def test_a_pause_counts_as_one_step_and_all_else_in_full() -> None:
    now = [100.0]
    clock = RunningClock(0.5, lambda: now[0])
    begun = clock()
    for step_s, counted_s in ((0.1, 0.1), (0.5, 0.6), (60.0, 1.1), (0.2, 1.3)):
        now[0] += step_s
        assert round(clock() - begun, 6) == counted_s
