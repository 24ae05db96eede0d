"""Meters that read the kernel's sensors: energy counters (RAPL, INA228) and power sensors (INA219, INA226,
INA260).

``rapl`` and ``hwmon`` take the folder of the sensor as argument, e.g. ``hwmon:/sys/class/hwmon/hwmon2``;
without one the first sensor found is taken. They measure the whole board (RAPL: the package), whose joules
are then divided over stages as in window.py. A node that measures must have its board to itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from carbon_data.types import Provenance
from edge_node.meters.base import MeterContext, MeterError, Slot, lines_from
from edge_node.meters.modelled import CountingMeter
from edge_node.meters.window import Window
from protos.messages.slot import EnergyLine

SYSFS = Path("/sys")


def _integer(path: Path) -> int:
    try:
        return int(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError) as error:
        raise MeterError(f"sensor {path} cannot be read: {error}") from error


class EnergySensor(Protocol):
    """Something that knows the joules since it was made."""

    def energy_uj(self) -> int: ...

    def stop(self) -> None: ...


class EnergyCounter:
    """A cumulative counter in microjoules that wraps at ``wrap_uj``. Read it at least once per wrap."""

    def __init__(self, path: Path, wrap_uj: int | None) -> None:
        """Without ``wrap_uj`` a counter that runs backwards is an error."""
        self._path, self._wrap_uj = path, wrap_uj
        self._last, self._total = _integer(path), 0

    def energy_uj(self) -> int:
        now = _integer(self._path)
        step = now - self._last
        if step < 0:
            if self._wrap_uj is None:
                raise MeterError(
                    f"counter {self._path} fell from {self._last} to {now} uJ and states no range"
                )
            step += self._wrap_uj
            if step < 0:
                raise MeterError(
                    f"counter {self._path} fell from {self._last} to {now} uJ, range {self._wrap_uj}"
                )
        self._last = now
        self._total += step
        return self._total

    def stop(self) -> None:
        """Nothing runs."""


class PowerIntegrator:
    """Integral of a power sensor in microwatt by the trapezoid rule, sampled by a thread of its own."""

    def __init__(
        self,
        path: Path,
        interval_s: float = 0.05,
        clock: Callable[[], float] = time.monotonic,
        threaded: bool = True,
    ) -> None:
        self._path, self._clock = path, clock
        self._lock = threading.Lock()
        self._at, self._power_uw, self._total = clock(), _integer(path), 0.0
        self._failure: MeterError | None = None
        self._stop = threading.Event()
        self._interval_s = interval_s
        if threaded:
            threading.Thread(target=self._run, name="power-sampler", daemon=True).start()

    def sample(self) -> None:
        """Read the sensor now. Raises MeterError."""
        with self._lock:
            now, power = self._clock(), _integer(self._path)
            self._total += (now - self._at) * (power + self._power_uw) / 2
            self._at, self._power_uw = now, power

    def energy_uj(self) -> int:
        """Microjoules so far. Raises MeterError also for a sample that failed meanwhile."""
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        self.sample()
        return round(self._total)

    def stop(self) -> None:
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(self._interval_s):
            try:
                self.sample()
            except MeterError as error:
                self._failure = error  # raised where the window is read: the window is a gap


class SensorMeter(CountingMeter):
    """Measured joules of a window, divided over stages and components in proportion to counted work."""

    name = "hwmon"
    provenance = Provenance.MEASURED
    measures_time = True

    def __init__(
        self, context: MeterContext, sensor: EnergySensor, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(context.board)
        self._sensor, self._clock = sensor, clock
        self._start_uj, self._start_s = sensor.energy_uj(), clock()

    def stop(self) -> None:
        """Let go of the sensor."""
        self._sensor.stop()

    def open(self, slot: int) -> None:
        self._window = Window()
        self._start_uj, self._start_s = self._sensor.energy_uj(), self._clock()

    def close(self, slot: Slot) -> tuple[EnergyLine, ...]:
        total = self._sensor.energy_uj() - self._start_uj
        duration = self._clock() - self._start_s
        return lines_from(self._window.measured_uj(total, self._model, slot, duration), self.provenance)


class RaplMeter(SensorMeter):
    """Intel and AMD package energy from the powercap tree."""

    name = "rapl"

    def __init__(self, context: MeterContext, root: Path = SYSFS) -> None:
        super().__init__(context, find_rapl(context.argument, root))


class HwmonMeter(SensorMeter):
    """INA2xx and alike: ``energyN_input`` where there is one, else ``powerN_input`` integrated."""

    name = "hwmon"

    def __init__(self, context: MeterContext, root: Path = SYSFS) -> None:
        super().__init__(context, find_hwmon(context.argument, root))


def find_rapl(folder: str, root: Path = SYSFS) -> EnergyCounter:
    """The package counter. Raises MeterError when there is none or it may not be read."""
    candidates = [Path(folder)] if folder else sorted((root / "class" / "powercap").glob("intel-rapl:[0-9]"))
    for candidate in candidates:
        if (candidate / "energy_uj").exists():
            # The counter's largest value is max_energy_range_uj; after it comes zero.
            return EnergyCounter(candidate / "energy_uj", _integer(candidate / "max_energy_range_uj") + 1)
    raise MeterError(f"no RAPL counter in {folder or root / 'class' / 'powercap'}; choose another meter")


def find_hwmon(folder: str, root: Path = SYSFS) -> EnergySensor:
    """The sensor in ``folder``, or the first INA2xx. Raises MeterError when there is none."""
    if folder:
        candidates = [Path(folder)]
    else:
        found = sorted((root / "class" / "hwmon").glob("hwmon*"))
        candidates = [
            c for c in found if (c / "name").exists() and (c / "name").read_text().startswith("ina")
        ]
    for candidate in candidates:
        if (candidate / "energy1_input").exists():
            return EnergyCounter(candidate / "energy1_input", None)
        if (candidate / "power1_input").exists():
            return PowerIntegrator(candidate / "power1_input")
    raise MeterError(
        f"no INA2xx sensor in {folder or root / 'class' / 'hwmon'}; load its driver or name its folder"
    )
