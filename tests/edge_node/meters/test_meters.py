"""Every kind of registered meter passes the conformance suite."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_node.meters import conformance
from edge_node.meters.base import Meter, MeterContext
from edge_node.meters.cpu_time import CpuTimeMeter, ProcessCpuTimeMeter
from edge_node.meters.modelled import ModelledMeter
from edge_node.meters.registry import METERS, build_meter
from edge_node.meters.sampled import SampledMeter
from edge_node.meters.sources.registry import SOURCES
from tests.edge_node.meters.recordings import BOARD, CONTEXT, FakeSensors, recorded_log


@pytest.fixture
def sensors(tmp_path: Path) -> Iterator[FakeSensors]:
    fake = FakeSensors(tmp_path)
    yield fake
    fake.stop()


@pytest.fixture
def makers(tmp_path: Path, sensors: FakeSensors) -> dict[str, Callable[[], Meter]]:
    log = recorded_log(tmp_path)
    return {
        "modelled": lambda: ModelledMeter(CONTEXT),
        "cpu-time": lambda: CpuTimeMeter(CONTEXT),
        "process-cpu-time": lambda: ProcessCpuTimeMeter(CONTEXT),
        "replay": lambda: build_meter(f"replay:{log}", BOARD, 10.0),
        "rapl": lambda: Slow(f"rapl:{sensors.rapl}", sensors),
        "hwmon": lambda: Slow(f"hwmon:{sensors.hwmon}", sensors),
    }


class Slow(SampledMeter):
    """Windows in which a counter of 100 Hz has counted: it was renewed, and read, often enough."""

    def __init__(self, spec: str, fake: FakeSensors) -> None:
        name, _, argument = spec.partition(":")
        self._fake = fake
        super().__init__(MeterContext(BOARD, 10.0, argument), name)

    def open(self, slot: int) -> None:
        super().open(slot)
        ring = self.sensor._ring
        for _ in range(5):
            renewed, written, end = self._fake.renewed, ring.written, time.monotonic() + 60.0
            while self._fake.renewed < renewed + 2 or ring.written < written + 1:
                assert time.monotonic() < end
                time.sleep(0.001)


@pytest.mark.usefixtures("slow_machine")
@pytest.mark.parametrize(
    "name", [name for name in METERS if name not in SOURCES or name in ("rapl", "hwmon")]
)
def test_every_kind_of_meter_conforms(name: str, makers: dict[str, Callable[[], Meter]]) -> None:
    """Sensors share one class: a power and a counter stand for all. A meter without a line in ``makers`` needs no
    argument."""
    conformance.check(makers.get(name, lambda: build_meter(name, BOARD, 10.0)))
