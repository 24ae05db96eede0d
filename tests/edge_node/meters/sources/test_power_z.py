"""POWER-Z KM002C and KM003C through their HID interface."""

from __future__ import annotations

import struct

import pytest

from edge_node.meters.sources.power_z import ASK, REPORT, PowerZ, open_power_z
from edge_node.meters.sources.source import SourceError
from tests.edge_node.meters.sources.test_line import Device, device  # noqa: F401  (a fixture)


def report(voltage_uv: int, current_ua: int, kind: int = 0x41) -> bytes:
    raw = bytearray(REPORT)
    struct.pack_into("<BBBBIii", raw, 0, kind, 0, 0x82, 2, 1, voltage_uv, current_ua)
    return bytes(raw)


def test_microvolt_times_microampere(device: Device) -> None:  # noqa: F811
    """5.01 V times 0.7 A are 3.507 W; against the direction of the arrow it is negative."""
    meter = PowerZ(device.path, timeout_s=60.0)
    device.answers(len(ASK), report(5_010_000, 700_000))
    assert meter.read() == 3_507_000
    device.answers(len(ASK), report(5_010_000, -700_000))
    assert meter.read() == -3_507_000
    meter.close()


def test_another_answer_than_measurements_is_refused(device: Device) -> None:  # noqa: F811
    meter = PowerZ(device.path, timeout_s=60.0)
    device.answers(len(ASK), report(1, 1, kind=0x05))
    with pytest.raises(SourceError, match="type 0x5"):
        meter.read()
    meter.close()


def test_a_device_is_named() -> None:
    with pytest.raises(SourceError, match="power-z:/dev/hidraw0"):
        open_power_z("")
