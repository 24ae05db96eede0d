"""Forecasts at a decision, for any look-ahead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from coordinator.config import ZoneIntensity
from coordinator.policies.local import Local
from coordinator.slots.expecting import expected_g_per_kwh
from tests.coordinator.slots.issues import issue


def zone(**changes: Any) -> ZoneIntensity:
    return ZoneIntensity(
        zone="Z0", intensity_g_per_kwh=(1.0, 2.0, 3.0, 4.0, 5.0, 6.0), origin={"source": "test"}, **changes
    )


def test_the_newest_issue_not_after_the_decision_speaks_for_every_reach() -> None:
    issued = zone(issues=(issue(0, 10, 11, 12, 13, 14), issue(2, 20, 21, 22)))
    for reach in range(4):
        assert expected_g_per_kwh(issued, 0, reach) == (10, 11, 12)[:reach]
        assert expected_g_per_kwh(issued, 1, reach) == (11, 12, 13)[:reach]
        assert expected_g_per_kwh(issued, 2, reach) == (20, 21, 22)[:reach]
    assert expected_g_per_kwh(issued, 3, 2) == (21, 22)


def test_without_issues_the_series_speak() -> None:
    assert expected_g_per_kwh(zone(), 1, 2) == (3, 4)
    told = zone(forecast_g_per_kwh=(9.0, 8.0, 7.0, 6.0, 5.0, 4.0))
    assert expected_g_per_kwh(told, 1, 2) == (7, 6)
    # two slots are known ahead: slots 2, 3, 4, 5 are expected like 2, 1, 2, 1
    assert expected_g_per_kwh(told, 1, 4, known_slots=2) == (7, 8, 7, 8)


class Watching(Local):
    """LOCAL that records its input."""

    name = "watching"

    def __init__(self) -> None:
        self.seen: dict[int, list[float]] = {}

    def decide(self, fleet: Any, state: Any) -> Any:
        self.seen[fleet.slot] = fleet.intensity_g_per_kwh[0].tolist()
        return super().decide(fleet, state)


def test_a_policy_sees_the_issue_of_its_decision(tmp_path: Path, kit: Any) -> None:
    """Through the coordinator itself, slot by slot: the slot's own intensity is the true one."""
    config = kit.make_config(tmp_path, slots=5, horizon_slots=2)
    zones = tuple(
        one.model_copy(update={"issues": (issue(0, 10, 20, 30, 40), issue(2, 70, 80))})
        for one in config.zones
    )
    policy = Watching()
    bench = kit.Bench(config.model_copy(update={"zones": zones}), policy)
    bench.join()
    for slot in range(4):
        bench.run_slot(slot)
    bench.close()
    assert policy.seen == {
        0: pytest.approx([20.0, 10.0]),
        1: pytest.approx([30.1, 20.0]),
        2: pytest.approx([40.2, 70.0]),
        3: pytest.approx([50.3, 80.0]),
    }
