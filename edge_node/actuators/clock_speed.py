"""The clock of a board through the kernel's cpufreq: a cap on every core, put back when the node ends."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge_node.actuators.actuator import ActuatorError

CPUFREQ = Path("/sys/devices/system/cpu/cpufreq")
"""Where the kernel has a folder for each group of cores that share a clock."""
_CAP, _LEAST, _MOST = "scaling_max_freq", "cpuinfo_min_freq", "cpuinfo_max_freq"


class ClockSpeed:
    """Sets the highest clock of all cores; below it the kernel's governor chooses, as before.

    Args:
        frequencies_khz: Clocks that will be asked for. Each is set once, to see that the kernel takes it.
        root: The kernel's folder.

    Raises:
        ActuatorError: the kernel scales no clock here, this process may not set it, or a clock is none of the board's.
    """

    def __init__(self, frequencies_khz: Sequence[int], root: Path = CPUFREQ) -> None:
        folders = sorted(root.glob("policy[0-9]*"))
        if not folders:
            raise ActuatorError(
                f"{root} has no policy: the kernel scales no clock here (a virtual machine, or no driver); run without "
                "+dvfs, or on a board with cpufreq"
            )
        self._folders = folders
        self._limits = [(self._read(folder / _LEAST), self._read(folder / _MOST)) for folder in folders]
        self._before = [self._read(folder / _CAP) for folder in folders]
        try:
            for khz in frequencies_khz:
                self.run_at(khz)
        finally:
            self.close()

    def run_at(self, khz: int) -> None:
        """Cap every core at ``khz``, or at its own limits where they are narrower. Raises ActuatorError."""
        fastest = max(most for _, most in self._limits)
        if not min(least for least, _ in self._limits) <= khz <= fastest:
            raise ActuatorError(
                f"{khz} kHz is outside of what this board's cores run at, "
                f"{min(least for least, _ in self._limits)} to {fastest} kHz: is the board's profile that of another?"
            )
        for folder, (least, most) in zip(self._folders, self._limits, strict=True):
            wanted = min(max(khz, least), most)
            self._write(folder / _CAP, wanted)
            got = self._read(folder / _CAP)
            if got != wanted and most == fastest:
                raise ActuatorError(
                    f"{folder / _CAP}: {wanted} kHz was asked for, the kernel took {got}; give the operating points "
                    f"the clocks of {folder / 'scaling_available_frequencies'}"
                )

    def close(self) -> None:
        """The clocks are as they were. May be called twice. Raises ActuatorError."""
        for folder, khz in zip(self._folders, self._before, strict=True):
            self._write(folder / _CAP, khz)

    @staticmethod
    def _read(path: Path) -> int:
        try:
            return int(path.read_text())
        except (OSError, ValueError) as error:
            raise ActuatorError(f"{path} cannot be read: {error}") from error

    @staticmethod
    def _write(path: Path, khz: int) -> None:
        try:
            path.write_text(f"{khz}\n")
        except OSError as error:
            raise ActuatorError(
                f"{path} cannot be written: {error.strerror or error}; run the node as root, or give its user the file "
                "(chown), or run without +dvfs"
            ) from error
