"""Sensors of the kernel's hwmon tree: ``energyN_input`` (INA228), ``powerN_input`` (INA219, INA226, INA260), or voltage
times current (``inN_input`` and ``currN_input``: INA3221 and the rails of a Jetson, POWER-Z KM002C and KM003C).

Units are the kernel's: uJ, uW, mV, mA (Documentation/hwmon/sysfs-interface.rst).
"""

from __future__ import annotations

import re
from pathlib import Path

from edge_node.meters.sources.source import Source, SourceError, Unwrapped
from edge_node.meters.sources.sysfs import integer, text
from protos.messages.terms import MeterKind

ROOT = Path("/sys/class/hwmon")
CHIPS = ("ina", "powerz")
WHOLE_BOARD = ("VDD_IN", "VIN_SYS_5V0", "IBUS")
"""Labels of the channel that feeds all others: Jetson boards, POWER-Z."""
FASTEST_HZ = 1000.0


class PowerFile:
    """A power in microwatt."""

    kind = MeterKind.POWER
    resolution = 0

    def __init__(self, path: Path, rate_hz: float) -> None:
        self._path, self.rate_hz = path, rate_hz

    def read(self) -> int:
        return integer(self._path)

    def close(self) -> None:
        """No file stays open."""


class EnergyFile:
    """A cumulative energy in microjoule, without a stated range: where it falls it restarted."""

    kind = MeterKind.COUNTER
    resolution = 1

    def __init__(self, path: Path, rate_hz: float) -> None:
        self._path, self.rate_hz = path, min(rate_hz, 100.0)
        self._counter = Unwrapped(str(path), integer(path))

    def read(self) -> int:
        return self._counter.total_uj(integer(self._path))

    def close(self) -> None:
        """No file stays open."""


class VoltageTimesCurrent:
    """Millivolt times milliampere: microwatt."""

    kind = MeterKind.POWER

    def __init__(self, voltage: Path, current: Path, rate_hz: float) -> None:
        self._voltage, self._current, self.rate_hz = voltage, current, rate_hz
        self.resolution = integer(voltage)  # of one milliampere

    def read(self) -> int:
        return integer(self._voltage) * integer(self._current)

    def close(self) -> None:
        """No file stays open."""


def open_hwmon(argument: str, root: Path = ROOT) -> Source:
    """``argument``: a chip's folder, one of its files (``.../curr1_input``), or nothing: the first chip that fits."""
    path = Path(argument) if argument else first_chip(root)
    if path.is_dir():
        path = channel(path)
    rate_hz = _rate_hz(path.parent)
    if path.name.startswith("energy"):
        return EnergyFile(path, rate_hz)
    if path.name.startswith("power"):
        return PowerFile(path, rate_hz)
    if path.name.startswith("curr"):
        return VoltageTimesCurrent(_voltage_of(path), path, rate_hz)
    raise SourceError(f"{path} is no energyN_input, powerN_input or currN_input, nor a folder with one")


def first_chip(root: Path) -> Path:
    found = [folder for folder in sorted(root.glob("hwmon*")) if text(folder / "name").startswith(CHIPS)]
    if not found:
        raise SourceError(
            f"no sensor of {', '.join(CHIPS)}* in {root}; load its driver (modprobe ina2xx) or name a folder: "
            "hwmon:/sys/class/hwmon/hwmon2"
        )
    return found[0]


def channel(folder: Path) -> Path:
    """The file to read in a chip's folder. Raises SourceError where several channels could be meant."""
    for pattern in ("energy*_input", "power*_input", "curr*_input"):
        found = sorted(folder.glob(pattern))
        labelled = [path for path in found if _label(path) in WHOLE_BOARD]
        if len(labelled or found) == 1:
            return (labelled or found)[0]
        if found:
            names = ", ".join(f"{path.name} ({_label(path) or 'no label'})" for path in found)
            raise SourceError(f"{folder} has several channels: {names}; name one: hwmon:{found[0]}")
    raise SourceError(f"{folder} has no energyN_input, powerN_input or currN_input; name another folder")


def _label(path: Path) -> str:
    return text(path.with_name(path.name.replace("_input", "_label")))


def _voltage_of(current: Path) -> Path:
    """Bus voltage of a current: labelled VBUS (POWER-Z), else of the same number."""
    for voltage in sorted(current.parent.glob("in*_input")):
        if _label(voltage) == "VBUS" and _label(current) == "IBUS":
            return voltage
    number = re.sub(r"\D", "", current.name)
    if not (same := current.with_name(f"in{number}_input")).exists():
        raise SourceError(f"{current} has no in{number}_input beside it: a power needs the voltage, too")
    return same


def _rate_hz(folder: Path) -> float:
    """What the chip converts, from ``update_interval`` in milliseconds; else the sampler's fastest."""
    raw = text(folder / "update_interval")
    return min(FASTEST_HZ, 1000.0 / int(raw)) if raw.isdigit() and int(raw) > 0 else FASTEST_HZ
