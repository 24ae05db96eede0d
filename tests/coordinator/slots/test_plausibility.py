"""Bounds of a reading by hand; what a refusal brings about is in tests/reliability/test_fault_04_plausibility.py."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from coordinator.config import NodeBounds
from coordinator.slots.plausibility import reading_findings
from protos.messages.slot import EnergyLine, Metered, Usage
from protos.messages.terms import Component, MeterKind, Stage

BOUNDS = NodeBounds(
    node_id="n00",
    power_w=5.0,
    wake_j=7.0,
    radio_j_per_byte=1e-3,
    harvest_w=2.0,
    battery_j=0.0,
    charge_w=0.0,
    discharge_w=0.0,
)
MOST_UJ = 20 * (5 * 60 + 7) * 1_000_000


def usage(load_uj: int, harvest_uj: int = 0, **changes: Any) -> Usage:
    line = EnergyLine(Stage.DEVELOPMENT, Component.COMPUTE, load_uj, "modelled")
    return dataclasses.replace(Usage("n00", "b", 1, 1, 0, (line,), harvest_uj, (), (), 0), **changes)


def test_the_bound_is_the_board_s_power_over_the_slot_and_what_it_moved(tmp_path: Path, kit: Any) -> None:
    config = kit.make_config(tmp_path)
    assert reading_findings(config, BOUNDS, usage(MOST_UJ)) == []
    assert reading_findings(config, BOUNDS, usage(MOST_UJ + 2)) == [
        f"load of {MOST_UJ + 2} uJ; this board could have 307 J in the slot, allowed are 20 times that"
    ]
    assert reading_findings(config, BOUNDS, usage(MOST_UJ + 20_000_000, model_bytes=1000)) == []
    assert reading_findings(config, BOUNDS, usage(0, 180_000_000)) == []
    assert "harvest" in reading_findings(config, BOUNDS, usage(0, 180_000_002))[0]
    assert reading_findings(config, None, usage(MOST_UJ * 1000)) == []


@pytest.mark.parametrize(("window_s", "believed"), [(600.0, True), (60.0, False), (1e9, True)])
def test_a_sensor_s_window_is_believed_up_to_a_day(
    tmp_path: Path, kit: Any, window_s: float, believed: bool
) -> None:
    told = Metered(MeterKind.POWER, MOST_UJ * 5, 1, 0, 1.0, 1.0, 0, window_s)
    found = reading_findings(kit.make_config(tmp_path), BOUNDS, usage(MOST_UJ * 5, metered=told))
    assert (found == []) == believed
    beyond = 20 * 5 * 86_400 * 1_000_000 + MOST_UJ
    assert reading_findings(kit.make_config(tmp_path), BOUNDS, usage(beyond, metered=told))
