"""A device file that answers a request, as a pseudo-terminal."""

from __future__ import annotations

import os
import threading
import tty
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from edge_node.meters.sources.line import Line
from edge_node.meters.sources.source import SourceError


class Device(NamedTuple):
    path: str
    master: int

    def answers(self, asked: int, *parts: bytes) -> None:
        """Answer the next request of ``asked`` bytes, in parts."""

        def serve() -> None:
            got = 0
            while got < asked:
                got += len(os.read(self.master, asked - got))
            for part in parts:
                os.write(self.master, part)

        threading.Thread(target=serve, daemon=True).start()


@pytest.fixture
def device() -> Iterator[Device]:
    master, slave = os.openpty()
    tty.setraw(slave)
    yield Device(os.ttyname(slave), master)
    os.close(master)
    os.close(slave)


def test_an_answer_in_parts_is_whole(device: Device) -> None:
    line = Line(device.path, timeout_s=60.0)
    device.answers(2, b"ab", b"cdef")
    assert line.ask(b"??", 6) == b"abcdef"
    line.close()


def test_what_is_left_of_a_late_answer_is_dropped(device: Device) -> None:
    line = Line(device.path, timeout_s=0.05)
    with pytest.raises(SourceError, match="answered 0 of 3 bytes"):
        line.ask(b"?", 3)
    os.read(device.master, 9)
    device.answers(1, b"new")
    os.write(device.master, b"old")
    late = Line(device.path, timeout_s=60.0)
    late.ask(b"?", 3)
    late.close()


def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(SourceError, match="/dev/no-such-meter cannot be read"):
        Line("/dev/no-such-meter", 1.0).ask(b"?", 1)
