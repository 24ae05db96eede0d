"""The ``cpu-time`` meter: CPU seconds really spent, times the board's power. For a node on its own board."""

from __future__ import annotations

import pytest

from edge_node.meters.base import Meter, MeterError, Slot, Work
from edge_node.meters.cpu_time import CpuTimeMeter
from protos.messages.slot import EnergyLine
from protos.messages.terms import Component, Stage
from tests.edge_node.meters.recordings import CONTEXT, by_key


def test_cpu_time_is_the_clock_of_this_work_and_no_other() -> None:
    cpu, wall = iter([10.0, 12.0, 50.0, 50.5]), iter([0.0, 4.0, 9.0, 9.25])
    meter = CpuTimeMeter(CONTEXT, cpu_clock=lambda: next(cpu), clock=lambda: next(wall), cores=4)
    meter.open(0)
    meter.begin()
    meter.add(Work(Stage.DEVELOPMENT, 1.0))
    meter.begin()
    meter.add(Work(Stage.APPLICATION, 1.0))
    lines = by_key(meter.close(Slot(0, Stage.DEVELOPMENT, awake=True, woke=False)))
    assert lines[Stage.DEVELOPMENT, Component.COMPUTE] == 2_000_000  # 2 CPU-s of 1 W (4 W over 4 cores)
    assert lines[Stage.APPLICATION, Component.COMPUTE] == 500_000
    assert lines[Stage.DEVELOPMENT, Component.STATIC] == 4_000_000  # 2 s busy
    assert lines[Stage.APPLICATION, Component.STATIC] == 500_000  # never longer than the wall clock
    assert {line.provenance for line in _lines_of(meter)} == {"modelled"}


def _lines_of(meter: Meter) -> tuple[EnergyLine, ...]:
    meter.open(1)
    return meter.close(Slot(1, Stage.DEVELOPMENT, awake=True, woke=False))


def test_cpu_time_without_a_start_is_an_error() -> None:
    meter = CpuTimeMeter(CONTEXT)
    meter.open(0)
    with pytest.raises(MeterError, match="begin"):
        meter.add(Work(Stage.DEVELOPMENT, 1.0))
