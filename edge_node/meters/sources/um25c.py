"""USB meters UM24C, UM25C and UM34C over a serial port (Bluetooth's rfcomm, or a USB adapter).

0xf0 asks for 130 bytes, big-endian: two bytes of the model, power in mW as four bytes at 6, two bytes at the end
(protocol as documented by the free tool rdumtool).
"""

from __future__ import annotations

import struct

from edge_node.meters.sources.line import Line
from edge_node.meters.sources.source import SourceError
from protos.messages.terms import MeterKind

ASK, LENGTH, POWER_AT = b"\xf0", 130, 6
ENDS = {b"\x09\x63": b"\xff\xf1", b"\x0d\x4c": b"\x80\x68"}
"""First and last two bytes: UM24C and UM25C, UM34C."""
UW_PER_MW = 1000


class Um25c:
    kind = MeterKind.POWER
    rate_hz = 2.0
    """The meter answers in about a third of a second."""
    resolution = UW_PER_MW

    def __init__(self, path: str, timeout_s: float = 2.0) -> None:
        self._line = Line(path, timeout_s)

    def read(self) -> int:
        answer = self._line.ask(ASK, LENGTH)
        if ENDS.get(answer[:2]) != answer[-2:]:
            raise SourceError(
                f"the answer begins with {answer[:2].hex()} and ends with {answer[-2:].hex()}: no UM24C, UM25C or UM34C"
            )
        return int(struct.unpack_from(">I", answer, POWER_AT)[0]) * UW_PER_MW

    def close(self) -> None:
        self._line.close()


def open_um25c(argument: str) -> Um25c:
    if not argument:
        raise SourceError("which serial port? Write um25c:/dev/rfcomm0")
    return Um25c(argument)
