"""What a board's meter can have read: readings outside are refused."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from edge_node.meters.sampling.limits import Limits, limits_of
from edge_node.meters.sampling.reading import Reading
from protos.messages.terms import MeterKind
from tests.edge_node.meters.recordings import BOARD

LIMITS = limits_of(BOARD)
"""Sleeping 0.5 W, busy 6 W."""
GOOD = Reading(MeterKind.POWER, 3_000_000, 1, 1000.0, 1.0, 0, 10**9)


def test_limits_are_twenty_times_around_the_profile() -> None:
    assert Limits(low_uw=25_000, high_uw=120_000_000) == LIMITS
    assert LIMITS.refuse(GOOD) == ""
    assert LIMITS.refuse_power(0) == ""  # a dip, not a mean


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"energy_uj": 3_000}, "less than 0.025 W.*unit right"),
        ({"energy_uj": 3_000_000_000}, "more than 120 W.*does not draw"),
        ({"energy_uj": 0}, "less than"),
        ({"coverage_fraction": 0.89, "gaps": 2}, "2 gaps: 89%"),
    ],
)
def test_a_reading_that_cannot_be_true_is_refused(changes: dict[str, float], reason: str) -> None:
    found = LIMITS.refuse(replace(GOOD, **changes))  # type: ignore[arg-type]
    assert re.search(reason, found), found


def test_a_negative_power_says_what_may_be_wrong() -> None:
    assert "in reverse" in LIMITS.refuse_power(-1)
