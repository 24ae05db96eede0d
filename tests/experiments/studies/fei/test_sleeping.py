"""Plan and bound of days on which nodes may sleep, against a general solver on a day small enough for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from coordinator.market.awake import own_windows
from coordinator.market.fleet import Fleet
from coordinator.market.layout import Restrictions
from coordinator.market.program import build
from coordinator.market.solve import SolverOptions
from coordinator.simulator.regret import EVERYTHING, oracle_bound
from experiments.studies.fei.market import Setting, Work, fleet
from experiments.studies.fei.sleeping import bound_g, nearest_pattern, plan_and_bound

WORK = Work(
    seconds_per_batch=60.0, joules_per_batch=180.0, bytes_per_batch=40_000.0, batches_per_training=600.0
)
ALONE = Restrictions(transfers=False, offloading=False, harvest=True)


def first_hours(day: Fleet, hours: int) -> Fleet:
    """The same nodes over fewer slots."""
    return replace(
        day,
        intensity_g_per_kwh=day.intensity_g_per_kwh[:, :hours],
        harvest_j=day.harvest_j[:, :hours],
        release_batches=day.release_batches[:, : hours - 1],
        seconds_per_batch=day.seconds_per_batch[:, :hours],
        joules_per_batch=day.joules_per_batch[:, :hours],
        bytes_per_batch=day.bytes_per_batch[:hours],
        offloadable=day.offloadable[:hours],
    )


@pytest.mark.parametrize(("cap", "slack"), [(0.5, 1), (0.5, 2), (1.0, 0)])
def test_bound_and_plan_enclose_the_optimum(cap: float, slack: int) -> None:
    day = first_hours(fleet(2, 1, WORK, Setting(5.0, cap_fraction=cap, deadline_slots=slack, sleep=True)), 6)
    best = oracle_bound(day, options=SolverOptions(mip_gap_fraction=0.0))
    found = plan_and_bound(day, EVERYTHING)
    assert found is not None
    assert found.objective_g <= best.plan_g * (1 + 1e-6)
    assert best.objective_g <= found.plan_g * (1 + 1e-6)
    assert bound_g(day, EVERYTHING) == pytest.approx(found.objective_g)
    assert found.gap_fraction == pytest.approx((found.plan_g - found.objective_g) / found.plan_g)


def test_the_answer_repeats_exactly() -> None:
    day = fleet(3, 0, WORK, Setting(deadline_slots=2, sleep=True))
    assert plan_and_bound(day, EVERYTHING) == plan_and_bound(day, EVERYTHING)


def test_windows_are_those_of_work_that_must_stay() -> None:
    def windows(cap: float, restrictions: Restrictions) -> list[tuple[int, int]]:
        day = first_hours(fleet(2, 0, WORK, Setting(cap_fraction=cap, deadline_slots=2, sleep=True)), 5)
        return own_windows(build(day, restrictions))[0]

    assert (1, 3) in windows(0.5, EVERYTHING)
    assert (4, 4) in windows(0.5, EVERYTHING), "all work is done within the day"
    assert windows(1.0, EVERYTHING) == []
    assert windows(1.0, ALONE) == windows(0.5, EVERYTHING)


@pytest.mark.parametrize(
    ("level", "windows", "pattern"),
    [
        ([0.9, 0.2, 0.6], [], [1, 0, 1]),
        ([0.3, 0.4, 0.3], [(0, 2)], [0, 1, 0]),
        ([0.3] * 6, [(0, 2), (1, 3), (2, 4), (3, 5)], [0, 0, 1, 0, 0, 1]),
        ([0.0, 0.0], [(0, 0), (1, 1)], [1, 1]),
    ],
)
def test_the_nearest_pattern_keeps_every_window(
    level: list[float], windows: list[tuple[int, int]], pattern: list[int]
) -> None:
    found = nearest_pattern(np.array(level), windows)
    assert np.abs(found - level).sum() == pytest.approx(np.abs(np.array(pattern) - level).sum())
    assert all(found[first : last + 1].any() for first, last in windows)
