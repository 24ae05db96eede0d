"""Profiles by column."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from carbon_data.types import DataError
from coordinator.slots.columns import FIGURES, WORK, ProfileColumns, work_of
from protos.messages.stream import NodeProfile
from protos.messages.terms import Stage
from protos.messages.work import WorkProfile

WORKS = (
    WorkProfile(Stage.DEVELOPMENT, 1.5, 2.5, 30, 4.5, 5.5),
    WorkProfile(Stage.APPLICATION, 6.5, 7.5, 80, 9.5, 10.5),
)


def profile(first: float) -> NodeProfile:
    """Every figure another one."""
    values: dict[str, Any] = {name: first + place for place, name in enumerate(FIGURES)}
    return NodeProfile(
        zone=f"Z{first:g}", work=WORKS, meter="m", provenance="modelled", data_digest="0" * 64, **values
    )


def test_every_figure_stands_in_its_own_column_and_row() -> None:
    profiles = [profile(100.0), profile(200.0)]
    columns = ProfileColumns.of(profiles, (Stage.DEVELOPMENT, Stage.APPLICATION, Stage.DEVELOPMENT))
    assert columns.zones == ("Z100", "Z200")
    for name in FIGURES:
        assert columns.figures[name].tolist() == [getattr(each, name) for each in profiles]
    for name in WORK:
        one, other = (float(getattr(work, name)) for work in WORKS)
        found = columns.by_slot(name, (Stage.DEVELOPMENT, Stage.APPLICATION, Stage.APPLICATION))
        assert np.array_equal(found, [[one, other, other]] * 2)


def test_a_stage_without_its_cost_is_refused_and_no_work_costs_nothing() -> None:
    with pytest.raises(DataError, match="no work profile for stage recycling"):
        ProfileColumns.of([profile(1.0)], (Stage.RECYCLING,))
    assert work_of(replace(profile(1.0), work=()), Stage.UNALLOCATED).joules_per_batch == 0.0
