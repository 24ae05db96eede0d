"""Raspberry Pi 5: rails of the power chip, ``vcgencmd pmic_read_adc``. An estimate: what runs from 5 V directly (USB
devices, fan, HDMI, losses of the converters) is not in it.

Lines are `` VDD_CORE_A current(7)=1.5A`` and `` VDD_CORE_V volt(15)=0.8V``; rails are paired by name.
"""

from __future__ import annotations

import re
import subprocess

from edge_node.meters.sources.source import SourceError
from protos.messages.terms import MeterKind

COMMAND = "vcgencmd"
LINE = re.compile(r"^\s*(\S+)_([AV]) (?:current|volt)\(\d+\)=(-?[\d.]+)[AV]$", re.MULTILINE)
TIMEOUT_S = 2.0
UW_PER_W = 1_000_000


class Pmic:
    kind = MeterKind.ESTIMATE
    rate_hz = 10.0
    """A read starts a process and takes some milliseconds."""
    resolution = 0

    def __init__(self, command: str = COMMAND) -> None:
        self._command = command

    def read(self) -> int:
        try:
            done = subprocess.run(
                [self._command, "pmic_read_adc"],
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SourceError(
                f"{self._command} cannot be run: {error}; this meter is for a Raspberry Pi 5"
            ) from error
        if done.returncode:
            raise SourceError(
                f"{self._command} pmic_read_adc ended with {done.returncode}: {done.stderr.strip()[:80]}"
            )
        return power_uw(done.stdout)

    def close(self) -> None:
        """Nothing stays open."""


def power_uw(text: str) -> int:
    """Sum over the rails with a current. Raises SourceError where one has no voltage."""
    found = {(rail, unit): float(value) for rail, unit, value in LINE.findall(text)}
    currents = {rail: value for (rail, unit), value in found.items() if unit == "A"}
    if not currents:
        raise SourceError(f"pmic_read_adc shows no current: {text.strip()[:60]!r}")
    if unpaired := [rail for rail in currents if (rail, "V") not in found]:
        raise SourceError(f"pmic_read_adc shows no voltage of rail {unpaired[0]}")
    return round(sum(current * found[rail, "V"] for rail, current in currents.items()) * UW_PER_W)


def open_pmic(argument: str) -> Pmic:
    return Pmic(argument or COMMAND)
