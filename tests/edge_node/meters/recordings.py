"""Readings of a board, recorded and as a sensor shows them."""

from __future__ import annotations

import math
import threading
import time
from pathlib import Path

from edge_node.config import BoardConfig
from edge_node.meters import conformance
from edge_node.meters.base import MeterContext
from edge_node.meters.registry import build_meter
from edge_node.meters.sampling.sampler import Sampler
from protos.messages.slot import EnergyLine
from protos.messages.terms import Component, Stage

BOARD = BoardConfig(
    name="test",
    static_w=2.0,
    busy_w=6.0,
    sleep_w=0.5,
    wake_j=3.0,
    wake_s=0.25,
    effective_flop_per_s=1e6,
    tx_j_per_byte=1e-3,
    rx_j_per_byte=2e-3,
    storage_bytes=10**6,
)
CONTEXT = MeterContext(BOARD, slot_s=10.0)


def by_key(lines: tuple[EnergyLine, ...]) -> dict[tuple[Stage, Component], int]:
    return {(line.stage, line.component): line.energy_uj for line in lines}


def recorded_log(folder: Path) -> Path:
    log = folder / "readings.jsonl"
    meter = build_meter(f"record:{log}=modelled", BOARD, 10.0)
    for slot in range(conformance.SLOTS):
        conformance.one_slot(meter, slot, awake=slot != 1, flop=1e6 * slot)
    return log


class FakeSensors:
    """A sysfs tree whose board draws 3.9 to 4.1 W: a power sensor, and a counter that rises, renewed all the time."""

    def __init__(self, root: Path) -> None:
        self.hwmon, self.rapl = root / "hwmon1", root / "intel-rapl:0"
        for folder in (self.hwmon, self.rapl):
            folder.mkdir()
        (self.rapl / "max_energy_range_uj").write_text("9999999\n")
        self._begun, self._stop = time.monotonic(), threading.Event()
        self.renewed = 0
        self.renew()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def renew(self) -> None:
        passed_s = time.monotonic() - self._begun
        replaced(self.hwmon / "power1_input", 4_000_000 + round(1e5 * math.sin(70 * passed_s)))
        replaced(self.rapl / "energy_uj", round(4e6 * passed_s) % 10_000_000)
        self.renewed += 1

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.001):
            self.renew()


class SteadySensor:
    """A sysfs sensor of 3 W in coarse steps, which may show the same for long, until it goes away."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.spec, self._current = f"hwmon:{folder}", folder / "curr1_input"
        (folder / "in1_input").write_text("5000\n")
        self._current.write_text("600\n")

    def go(self, sampler: Sampler) -> None:
        """It is not there any more, and its sampler has noticed."""
        self._current.unlink()
        end = time.monotonic() + 60.0
        while "cannot be read" not in sampler._ring.said:
            assert time.monotonic() < end
            time.sleep(0.01)


def replaced(path: Path, value: int) -> None:
    """Write a number as the kernel shows it: never half."""
    (half := path.with_suffix(".new")).write_text(f"{value}\n")
    half.replace(path)
