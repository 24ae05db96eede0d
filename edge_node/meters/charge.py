"""What a battery holds, read at one moment: ``power-supply:FOLDER`` or ``file:PATH``.

``power-supply``: a battery of the kernel (/sys/class/power_supply/BAT0): ``energy_now`` in microwatt-hours, or
``charge_now`` in microampere-hours times ``voltage_now`` in microvolts, or ``capacity`` in percent of the configured
capacity (Documentation/ABI/testing/sysfs-class-power). ``file``: microjoules in a file that a fuel gauge's program
writes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edge_node.meters.base import MeterError
from edge_node.meters.sources.source import SourceError
from edge_node.meters.sources.sysfs import integer

UJ_PER_UWH = 3600
UAH_UV_PER_UWH = 1_000_000
OVER_FRACTION = 0.02
"""A gauge may show so much more than the configured capacity (choice); above, the reading is refused."""


class Charge:
    """One battery of ``capacity_uj``."""

    def __init__(self, spec: str, capacity_uj: int) -> None:
        """Raises MeterError where it cannot be read now."""
        self._spec, self._capacity_uj = spec, capacity_uj
        kind, _, path = spec.partition(":")
        if kind not in READERS or not path:
            raise MeterError(
                f"battery meter {spec!r} is not known; allowed are power-supply:FOLDER, e.g. "
                "power-supply:/sys/class/power_supply/BAT0, and file:PATH (microjoules)"
            )
        self._read, self._path = READERS[kind], Path(path)
        self.stored_uj()

    def stored_uj(self) -> int:
        """Raises MeterError where there is no reading, or one that this battery cannot hold."""
        try:
            stored_uj = self._read(self._path, self._capacity_uj)
        except SourceError as error:
            raise MeterError(f"battery meter {self._spec}: {error}") from error
        if not 0 <= stored_uj <= (1 + OVER_FRACTION) * self._capacity_uj:
            raise MeterError(
                f"battery meter {self._spec}: {stored_uj / 1e6:.6g} J, and the battery holds 0 to "
                f"{self._capacity_uj / 1e6:.6g} J: is its unit right, and battery.capacity_wh that of this battery?"
            )
        return min(stored_uj, self._capacity_uj)


def _power_supply(folder: Path, capacity_uj: int) -> int:
    if (energy := folder / "energy_now").exists():
        return integer(energy) * UJ_PER_UWH
    if (charge := folder / "charge_now").exists():
        return integer(charge) * integer(folder / "voltage_now") // UAH_UV_PER_UWH * UJ_PER_UWH
    return integer(folder / "capacity") * capacity_uj // 100


def _file(path: Path, capacity_uj: int) -> int:
    return integer(path)


READERS: dict[str, Callable[[Path, int], int]] = {"power-supply": _power_supply, "file": _file}
