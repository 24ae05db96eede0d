"""Checks of a configuration beyond its schema, and the part of it that the ledger keeps. Pure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from carbon_data.types import DataError
from coordinator.slots.settings import check_config
from tests.coordinator.slots.issues import issue


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
