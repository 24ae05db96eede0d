"""Sleep between requests: every second is awake or asleep, and waking early only moves the wait."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.studies.tokens.modelled.waking import HOUR_S, Habits, Waking, day
from tests.experiments.studies.tokens.made_up import BOARD


@pytest.mark.parametrize("rule", Waking)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_day_is_awake_or_asleep(rule: Waking, seed: int) -> None:
    draw = np.random.default_rng(seed)
    at_s = np.sort(draw.uniform(0, 23 * HOUR_S, 400))
    slept = day(at_s, draw.uniform(1, 20, 400), BOARD, rule, Habits())
    assert (slept.awake_s + slept.asleep_s).sum() == pytest.approx(24 * HOUR_S)
    assert slept.awake_s + slept.asleep_s == pytest.approx(np.full(24, HOUR_S))
    assert (slept.wait_s >= 0).all()
    assert slept.wait_s.max() <= BOARD.wake_s
    if rule is Waking.NEVER_SLEEPS:
        assert slept.asleep_s.sum() == slept.wakes.sum() == slept.wait_s.sum() == 0


def test_a_request_wakes_a_node_that_sleeps_and_waits_for_it() -> None:
    slept = day(np.array([100.0, 103.0]), np.array([1.0, 1.0]), BOARD, Waking.REACTIVE, Habits(idle_s=5.0))
    assert slept.wait_s == pytest.approx([20.0, 0.0])
    assert slept.wakes.sum() == 1
    assert slept.awake_s.sum() == pytest.approx(5.0 + 20.0 + 2.0 + 5.0)


def test_requests_like_clockwork_find_a_node_that_is_awake() -> None:
    at_s = np.arange(1, 200) * 100.0
    busy_s = np.ones(199)
    early = day(at_s, busy_s, BOARD, Waking.PREDICTIVE, Habits())
    late = day(at_s, busy_s, BOARD, Waking.REACTIVE, Habits())
    assert early.wait_s[60:].max() == 0.0
    assert late.wait_s.min() == 20.0
    assert early.asleep_s.sum() == pytest.approx(late.asleep_s.sum(), rel=0.05)


def test_a_node_that_waits_in_vain_sleeps_again() -> None:
    at_s = np.append(np.arange(1, 101) * 100.0, 40_000.0)
    found = day(at_s, np.ones(101), BOARD, Waking.PREDICTIVE, Habits())
    assert found.wait_s[-1] == BOARD.wake_s
    assert found.wakes[3:].sum() == 1
    assert found.awake_s[4:11].sum() == 0
