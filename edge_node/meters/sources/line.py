"""A device file that answers a request: serial ports and hidraw nodes."""

from __future__ import annotations

import os
import select
import termios
import time

from edge_node.meters.sources.source import SourceError


class Line:
    """An open device file. It is opened again after a failure: the device may have been plugged in anew."""

    def __init__(self, path: str, timeout_s: float) -> None:
        self._path, self._timeout_s = path, timeout_s
        self._descriptor: int | None = None

    def ask(self, request: bytes, length: int) -> bytes:
        """``length`` bytes in answer to ``request``. Raises SourceError where they do not come in time."""
        try:
            if self._descriptor is None:
                self._descriptor = self._open()
            self._discard(self._descriptor)
            os.write(self._descriptor, request)
            return self._answer(self._descriptor, length)
        except (OSError, SourceError) as error:
            self.close()
            if isinstance(error, SourceError):
                raise
            raise SourceError(f"{self._path} cannot be read: {error}") from error

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> int:
        descriptor = os.open(self._path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        if os.isatty(descriptor):
            raw = termios.tcgetattr(descriptor)
            raw[0], raw[1], raw[3] = 0, 0, 0
            raw[2] = termios.CS8 | termios.CREAD | termios.CLOCAL
            raw[4] = raw[5] = termios.B9600
            termios.tcsetattr(descriptor, termios.TCSANOW, raw)
        return descriptor

    def _discard(self, descriptor: int) -> None:
        """Drop what is left of an earlier answer that came too late."""
        while select.select([descriptor], [], [], 0)[0]:
            if not os.read(descriptor, 4096):
                raise SourceError(f"{self._path} was closed at its other end")

    def _answer(self, descriptor: int, length: int) -> bytes:
        answer, until = b"", time.monotonic() + self._timeout_s
        while len(answer) < length:
            left_s = until - time.monotonic()
            if left_s <= 0 or not select.select([descriptor], [], [], left_s)[0]:
                raise SourceError(
                    f"{self._path} answered {len(answer)} of {length} bytes in {self._timeout_s:g} s: is the meter on?"
                )
            part = os.read(descriptor, length - len(answer))
            if not part:
                raise SourceError(f"{self._path} was closed at its other end")
            answer += part
        return answer
