"""Every registered meter passes the conformance suite."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_node.meters import conformance
from edge_node.meters.base import Meter
from edge_node.meters.cpu_time import CpuTimeMeter, ProcessCpuTimeMeter
from edge_node.meters.hwmon import (
    HwmonMeter,
    SensorMeter,
)
from edge_node.meters.modelled import ModelledMeter
from edge_node.meters.registry import METERS, build_meter
from tests.edge_node.meters.recordings import BOARD, CONTEXT, fake_sysfs, recorded_log


class Rising:
    """An energy sensor that gains 7 J whenever it is read."""

    def __init__(self) -> None:
        self.total = 0

    def energy_uj(self) -> int:
        self.total += 7_000_000
        return self.total

    def stop(self) -> None:
        pass


@pytest.fixture
def makers(tmp_path: Path) -> dict[str, Callable[[], Meter]]:
    log = recorded_log(tmp_path)
    fake_sysfs(tmp_path, "hwmon")
    ticks = itertools.count()
    return {
        "modelled": lambda: ModelledMeter(CONTEXT),
        "cpu-time": lambda: CpuTimeMeter(CONTEXT),
        "process-cpu-time": lambda: ProcessCpuTimeMeter(CONTEXT),
        "replay": lambda: build_meter(f"replay:{log}", BOARD, 10.0),
        "rapl": lambda: SensorMeter(CONTEXT, Rising(), clock=lambda: float(next(ticks))),
        "hwmon": lambda: HwmonMeter(CONTEXT, root=tmp_path),
    }


@pytest.mark.parametrize("name", list(METERS))
def test_every_registered_meter_conforms(name: str, makers: dict[str, Callable[[], Meter]]) -> None:
    conformance.check(makers[name])
