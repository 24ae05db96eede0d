"""Forecasts at a decision, for any look-ahead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from carbon_data.types import DataError
from coordinator.config import ForecastIssue, ZoneIntensity
from coordinator.policies.local import Local
from coordinator.slots.expecting import expected_g_per_kwh
from coordinator.slots.settings import check_config


def issue(from_slot: int, *values: float) -> ForecastIssue:
    return ForecastIssue(
        issued=f"at {from_slot}", from_slot=from_slot, g_per_kwh=values, given_slots=len(values)
    )


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


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"issues": (issue(1, 1, 1, 1),)}, "must ascend from 0"),
        ({"issues": (issue(0, 1, 1, 1, 1), issue(0, 1, 1, 1, 1))}, "must ascend"),
        ({"issues": (issue(0, 1, 1),)}, "has 2 values after slot 0, decisions that rest on it look at 3"),
        (
            {
                "issues": (
                    issue(0, 1, 1, 1),
                    issue(2),
                )
            },
            "has 0 values after slot 2, .* look at 1",
        ),
        ({"issues": (issue(0, 1, -1, 1),)}, "negative"),
        ({"issues": (issue(0, 1, 1, 1),), "forecast_g_per_kwh": (1.0,) * 30}, "one or the other"),
    ],
)
def test_issues_that_leave_a_decision_in_the_dark_are_refused(
    tmp_path: Path, kit: Any, changes: dict[str, Any], said: str
) -> None:
    config = kit.make_config(tmp_path)
    first, *others = config.zones
    bad = config.model_copy(update={"zones": (first.model_copy(update=changes), *others)})
    with pytest.raises(DataError, match=said):
        check_config(bad)


def test_what_the_last_slots_do_not_look_at_need_not_be_there(tmp_path: Path, kit: Any) -> None:
    config = kit.make_config(tmp_path)
    zones = tuple(one.model_copy(update={"issues": (issue(0, 1, 1, 1), issue(3))}) for one in config.zones)
    check_config(config.model_copy(update={"zones": zones}))
    with pytest.raises(DataError, match="foresight"):
        check_config(config.model_copy(update={"zones": zones, "foresight": True}))
