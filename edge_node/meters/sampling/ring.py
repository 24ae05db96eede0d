"""Ring buffer of samples in a file that two processes map: one writes, the other reads.

A record carries its own number: a record that is half written, or has been overwritten, shows by a number that is
not the expected one.
"""

from __future__ import annotations

import mmap
import os
import struct
from dataclasses import dataclass
from enum import IntEnum

RECORDS = 1 << 16
"""65 s at 1 kHz."""
NUMBER = struct.Struct("<q")
WRITTEN_AT, SPENT_AT = 0, 8
"""Records written; CPU nanoseconds of the writer."""
RECORD = struct.Struct("<qqqq")
TEXT = struct.Struct("<i")
TEXT_AT, TEXT_BYTES, DATA_AT = 64, 1024, 4096
SIZE = DATA_AT + RECORDS * RECORD.size


class Status(IntEnum):
    OK = 0
    FAILED = 1
    """The read gave nothing."""
    RESTARTED = 2
    """The counter restarted."""


@dataclass(frozen=True, slots=True)
class Sample:
    at_ns: int
    value: int
    status: Status


class Ring:
    """One end of the buffer."""

    def __init__(self, descriptor: int) -> None:
        """``descriptor`` of a file of any length; it stays open."""
        if os.fstat(descriptor).st_size < SIZE:
            os.ftruncate(descriptor, SIZE)
        self._map = mmap.mmap(descriptor, SIZE)
        self._written, self._read = 0, 0

    def write(self, at_ns: int, value: int, status: int = 0) -> None:
        """``status``: of Status; without one the read went well. Raises struct.error for a value beyond 63 bits, and
        then the next record takes its place."""
        number = self._written + 1
        RECORD.pack_into(
            self._map, DATA_AT + self._written % RECORDS * RECORD.size, number, at_ns, value, status
        )
        NUMBER.pack_into(self._map, WRITTEN_AT, number)
        self._written = number

    def spent(self, cpu_ns: int) -> None:
        NUMBER.pack_into(self._map, SPENT_AT, cpu_ns)

    def say(self, text: str) -> None:
        """Keep ``text`` for the reader: what the sensor is, or why a read failed."""
        raw = text.encode()[:TEXT_BYTES]
        self._map[TEXT_AT + TEXT.size : TEXT_AT + TEXT.size + len(raw)] = raw
        TEXT.pack_into(self._map, TEXT_AT, len(raw))

    @property
    def said(self) -> str:
        (length,) = TEXT.unpack_from(self._map, TEXT_AT)
        return bytes(self._map[TEXT_AT + TEXT.size : TEXT_AT + TEXT.size + length]).decode(errors="replace")

    @property
    def written(self) -> int:
        return int(NUMBER.unpack_from(self._map, WRITTEN_AT)[0])

    @property
    def cpu_s(self) -> float:
        return float(NUMBER.unpack_from(self._map, SPENT_AT)[0] / 1e9)

    def samples(self) -> list[Sample]:
        """What came in since the last call. Samples that were overwritten meanwhile are missing: a gap in time."""
        found = []
        self._read = max(self._read, self.written - RECORDS + 1)
        while self._read < self.written:
            number, at_ns, value, status = RECORD.unpack_from(
                self._map, DATA_AT + self._read % RECORDS * RECORD.size
            )
            if number == self._read + 1:
                found.append(Sample(at_ns, value, Status(status)))
            self._read += 1
        return found

    def close(self) -> None:
        self._map.close()
