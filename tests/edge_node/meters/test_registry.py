"""Meters by name: one line here, or none with ``package.module:Name``."""

from __future__ import annotations

import pytest

from edge_node.meters.base import MeterError
from edge_node.meters.modelled import ModelledMeter
from edge_node.meters.registry import METERS, build_meter, describe
from tests.edge_node.meters.recordings import BOARD


def test_unknown_meters_are_refused_with_the_known_ones() -> None:
    with pytest.raises(MeterError, match="modelled, cpu-time"):
        build_meter("guess", BOARD, 1.0)
    with pytest.raises(MeterError, match="cannot be loaded"):
        build_meter("no_such_module:Meter", BOARD, 1.0)
    with pytest.raises(MeterError, match="record:PATH=METER"):
        build_meter("record:x.jsonl", BOARD, 1.0)


def test_a_meter_of_ones_own_needs_no_entry() -> None:
    meter = build_meter("edge_node.meters.modelled:ModelledMeter", BOARD, 1.0)
    assert isinstance(meter, ModelledMeter)


def test_every_meter_says_what_it_is() -> None:
    found = describe()
    assert list(found) == list(METERS)
    assert all(len(text) > 20 for text in found.values())
    assert "hwmon tree" in found["hwmon"]
    assert "one slot long" in found["modelled"]
