"""Rules of release: nothing is lost, one alone is one at a time, batches wait as they say."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.studies.tokens.modelled.batching import Arrivals, Release, batch_costs, over_links, serve
from tests.experiments.studies.tokens.made_up import COSTS


def arrivals(announced: list[float], ready: list[float], out: int = 5) -> Arrivals:
    count = len(announced)
    return Arrivals(np.array(announced), np.array(ready), np.full(count, 10), np.full(count, out))


def test_a_batch_takes_a_step_for_all_that_are_not_at_their_end() -> None:
    tokens_in, tokens_out = np.array([10, 20, 30]), np.array([1, 3, 6])
    joules, ends_s = batch_costs(COSTS, tokens_in, tokens_out)
    expected = float(COSTS.read_j(tokens_in).sum())
    assert ends_s[0] == pytest.approx(expected / COSTS.watts)
    for step in range(1, 6):
        active = tokens_in[tokens_out > step]
        expected += COSTS.step_j(active + float(step))
        for k, out in enumerate(tokens_out):
            if out == step + 1:
                assert ends_s[k] == pytest.approx(expected / COSTS.watts)
    assert joules == pytest.approx(expected)


def test_alone_takes_what_single_requests_take() -> None:
    some = arrivals([0.0, 1.0, 50.0], [2.0, 1.5, 50.0])
    served = serve(some, COSTS, Release.ALONE, 8, 5.0)
    alone_j, (took_s,) = batch_costs(COSTS, np.array([10]), np.array([5]))
    assert served.energy_j == pytest.approx(3 * alone_j)
    assert served.batches == 3
    # The second's prompt came first.
    assert served.end_s == pytest.approx([2.0 + took_s, 1.5 + took_s, 50.0 + took_s])


def test_a_slow_link_holds_up_a_batch_that_does_not_heed_it() -> None:
    some = arrivals([0.0, 0.1], [0.1, 30.0])
    blind = serve(some, COSTS, Release.BLIND, 2, 1.0)
    aware = serve(some, COSTS, Release.AWARE, 2, 1.0)
    assert blind.batches == 1
    assert blind.end_s.min() > 30.0
    assert aware.batches == 2
    assert aware.end_s[0] < 1.0
    assert aware.end_s[1] == pytest.approx(blind.end_s[1], abs=0.5)
    assert blind.energy_j < aware.energy_j


def test_a_batch_waits_for_one_that_will_come_and_not_for_none() -> None:
    together = serve(arrivals([0.0, 0.8], [0.0, 0.8]), COSTS, Release.AWARE, 8, 1.0)
    assert together.batches == 1
    apart = serve(arrivals([0.0, 5.0], [0.0, 5.0]), COSTS, Release.AWARE, 8, 1.0)
    _, (took_s,) = batch_costs(COSTS, np.array([10]), np.array([5]))
    assert apart.end_s[0] == pytest.approx(took_s)


@pytest.mark.parametrize("rule", Release)
def test_every_request_is_answered_after_its_prompt_has_come(rule: Release) -> None:
    draw = np.random.default_rng(1)
    count = 200
    some = over_links(
        np.sort(draw.uniform(0, 300, count)),
        draw.integers(1, 400, count),
        draw.integers(1, 60, count),
        2e4,
        1.0,
        3,
    )
    served = serve(some, COSTS, rule, 4, 2.0)
    assert (served.end_s > some.ready_s).all()
    assert count / 4 <= served.batches <= count
    least = float(COSTS.read_j(some.tokens_in).sum())
    most = least + float(COSTS.write_j(some.tokens_in, some.tokens_out).sum())
    assert least < served.energy_j <= most * (1 + 1e-9)


def test_settings_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="batches of 0"):
        serve(arrivals([0.0], [0.0]), COSTS, Release.AWARE, 0, 1.0)
