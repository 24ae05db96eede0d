"""Each of the nine kinds of sensors as a fake that shows what a test says, or goes away."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from edge_node.meters.sources import pmic, power_z, shelly, tasmota, um25c
from edge_node.meters.sources.hwmon import open_hwmon
from edge_node.meters.sources.nvml import Nvml
from edge_node.meters.sources.pmic import Pmic
from edge_node.meters.sources.rapl import Rapl
from edge_node.meters.sources.recording import Recording
from edge_node.meters.sources.source import Source, SourceError
from tests.edge_node.meters.sources.test_power_z import report
from tests.edge_node.meters.sources.test_um25c import answer


@dataclass
class World:
    """What the board draws now, and has drawn."""

    power_w: float = 4.0
    energy_j: float = 1_000.0
    gone: bool = False

    def check(self) -> None:
        if self.gone:
            raise OSError("no such device")


Make = Callable[[World, Path, pytest.MonkeyPatch], Source]


class FakeLine:
    """In place of a device file."""

    def __init__(self, world: World, reply: Callable[[], bytes]) -> None:
        self._world, self._reply = world, reply

    def ask(self, request: bytes, length: int) -> bytes:
        self._world.check()
        found = self._reply()
        assert len(found) == length
        return found

    def close(self) -> None:
        """Nothing is open."""


class FakePlug:
    """In place of a plug's web server."""

    power_only = False
    address = "http://plug"

    def __init__(self, world: World, pages: Callable[[str], dict[str, Any]]) -> None:
        self._world, self._pages = world, pages

    def get(self, path: str) -> dict[str, Any]:
        if self._world.gone:
            raise SourceError("the plug does not answer")
        return self._pages(path)


def _rapl(world: World, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    (folder / "max_energy_range_uj").write_text("262143328850\n")
    monkeypatch.setattr(
        "edge_node.meters.sources.rapl.integer",
        lambda path: _file(world, 262143328850 if "max" in path.name else round(world.energy_j * 1e6)),
    )
    return Rapl([folder])


def _hwmon(world: World, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    (folder / "power1_input").write_text("4000000\n")
    monkeypatch.setattr(
        "edge_node.meters.sources.hwmon.integer", lambda path: _file(world, round(world.power_w * 1e6))
    )
    return open_hwmon(str(folder))


def _power_z(world: World, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    # 5 V; a current of 32 bits holds 2 kA.
    line = FakeLine(world, lambda: report(5_000_000, min(2**31 - 1, round(world.power_w / 5 * 1e6))))
    monkeypatch.setattr(power_z, "Line", lambda path, timeout_s: line)
    return power_z.open_power_z("/dev/hidraw0")


def _um25c(world: World, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    line = FakeLine(
        world, lambda: answer(round(world.power_w * 1e3) % 2**32)
    )  # unsigned: below zero it is huge
    monkeypatch.setattr(um25c, "Line", lambda path, timeout_s: line)
    return um25c.open_um25c("/dev/rfcomm0")


def _shelly(world: World, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    def pages(path: str) -> dict[str, Any]:
        total = Decimal(round(world.energy_j / 3.6)) / 1000
        return {"gen": Decimal(2), "aenergy": {"total": total.quantize(Decimal("0.001"))}}

    monkeypatch.setattr(shelly, "Plug", lambda address, name: FakePlug(world, pages))
    return shelly.open_shelly("http://plug")


def _tasmota(world: World, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    def pages(path: str) -> dict[str, Any]:
        total = Decimal(round(world.energy_j / 36)) / 100_000
        return {"StatusSNS": {"ENERGY": {"Total": total.quantize(Decimal("0.00001"))}}}

    monkeypatch.setattr(tasmota, "Plug", lambda address, name: FakePlug(world, pages))
    return tasmota.open_tasmota("http://plug")


def _pmic(world: World, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    def run(*_: Any, **__: Any) -> subprocess.CompletedProcess[str]:
        world.check()
        text = f"  VDD_CORE_A current(7)={world.power_w / 0.8:.8f}A\n  VDD_CORE_V volt(15)=0.8V\n"
        return subprocess.CompletedProcess([], 0, text, "")

    monkeypatch.setattr(pmic.subprocess, "run", run)
    return Pmic()


class FakeNvml:
    """As the library in nvml_fake.c, which tests of this source alone use."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.nvmlErrorString = _LostText()

    def nvmlInit_v2(self) -> int:
        return 0

    def nvmlShutdown(self) -> int:
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index: Any, device: Any) -> int:
        return 0

    def nvmlDeviceGetTotalEnergyConsumption(self, device: Any, energy: Any) -> int:
        energy._obj.value = round(self._world.energy_j * 1e3)  # unsigned: below zero it is huge
        return 15 if self._world.gone else 0


class _LostText:
    restype: Any = None

    def __call__(self, code: int) -> bytes:
        return b"GPU is lost"


def _nvml(world: World, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    return Nvml(0, load=lambda _: FakeNvml(world))


def _recording(world: World, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    """A recording of what the world does: its clock stands still, and its row is the present power."""

    class Now(Recording):
        def read(self) -> int:
            if world.gone:
                raise SourceError("the recording ended after 3600 s")
            self._power_uw[0] = round(world.power_w * 1e6)
            return super().read()

    return Now([(0, 0), (3_600_000_000_000, 0)], False, clock=lambda: 0)


def _file(world: World, value: int) -> int:
    if world.gone:
        raise SourceError("sensor cannot be read: no such file")
    return value


SENSORS: dict[str, Make] = {
    "rapl": _rapl,
    "hwmon": _hwmon,
    "power-z": _power_z,
    "um25c": _um25c,
    "shelly": _shelly,
    "tasmota": _tasmota,
    "pmic": _pmic,
    "nvml": _nvml,
    "recording": _recording,
}
