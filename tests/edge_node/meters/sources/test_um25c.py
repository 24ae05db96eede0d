"""USB meters UM24C, UM25C and UM34C over a serial port."""

from __future__ import annotations

import struct

import pytest

from edge_node.meters.sources.source import SourceError
from edge_node.meters.sources.um25c import ASK, LENGTH, Um25c, open_um25c
from tests.edge_node.meters.sources.test_line import Device, device  # noqa: F401  (a fixture)


def answer(power_mw: int, begin: bytes = b"\x09\x63", end: bytes = b"\xff\xf1") -> bytes:
    """5.08 V, 0.732 A and their power, as the meter sends them."""
    raw = bytearray(LENGTH)
    raw[:2], raw[-2:] = begin, end
    struct.pack_into(">HHI", raw, 2, 5080, 7320, power_mw)
    return bytes(raw)


def test_power_is_read_in_milliwatt(device: Device) -> None:  # noqa: F811
    meter = Um25c(device.path, timeout_s=60.0)
    device.answers(len(ASK), answer(3718)[:60], answer(3718)[60:])
    assert meter.read() == 3_718_000
    device.answers(len(ASK), answer(70_000, b"\x0d\x4c", b"\x80\x68"))
    assert meter.read() == 70_000_000
    meter.close()


def test_an_answer_of_another_device_is_refused(device: Device) -> None:  # noqa: F811
    meter = Um25c(device.path, timeout_s=60.0)
    device.answers(len(ASK), answer(3718, begin=b"\x01\x02"))
    with pytest.raises(SourceError, match="begins with 0102"):
        meter.read()
    meter.close()


def test_a_port_is_named() -> None:
    with pytest.raises(SourceError, match="um25c:/dev/rfcomm0"):
        open_um25c("")
