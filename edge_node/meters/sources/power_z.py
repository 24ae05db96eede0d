"""POWER-Z KM002C and KM003C through their HID interface (``/dev/hidrawN``), for kernels without the powerz driver.

0c 00 02 00 asks for the measurements; the answer of 64 bytes has type 0x41 in its first one and, little-endian and
signed, VBUS in uV at 8 and IBUS in uA at 12 (struct of the kernel's drivers/hwmon/powerz.c).
"""

from __future__ import annotations

import struct

from edge_node.meters.sources.line import Line
from edge_node.meters.sources.source import SourceError
from protos.messages.terms import MeterKind

REPORT = 64
ASK = b"\x00" + b"\x0c\x00\x02\x00".ljust(REPORT, b"\x00")
"""hidraw takes the number of the report first, 0 where there is only one."""
ANSWERED, BUS_AT = 0x41, 8
TYPE = 0x7F
UW_PER_PW = 1_000_000


class PowerZ:
    kind = MeterKind.POWER
    rate_hz = 100.0
    resolution = 0

    def __init__(self, path: str, timeout_s: float = 0.5) -> None:
        self._line = Line(path, timeout_s)

    def read(self) -> int:
        answer = self._line.ask(ASK, REPORT)
        if answer[0] & TYPE != ANSWERED:
            raise SourceError(f"the answer is of type {answer[0]:#x}; measurements are of type {ANSWERED:#x}")
        voltage_uv, current_ua = struct.unpack_from("<ii", answer, BUS_AT)
        # Microvolt times microampere is picowatt.
        return int(voltage_uv * current_ua // UW_PER_PW)

    def close(self) -> None:
        self._line.close()


def open_power_z(argument: str) -> PowerZ:
    if not argument:
        raise SourceError("which device? Write power-z:/dev/hidraw0")
    return PowerZ(argument)
