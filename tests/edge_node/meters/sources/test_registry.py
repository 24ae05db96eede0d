"""Sources by name."""

from __future__ import annotations

import pytest

from edge_node.meters.sources.registry import SOURCES, open_source
from edge_node.meters.sources.source import SourceError


def test_an_unknown_sensor_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SourceError, match="rapl, hwmon"):
        open_source("guess")


@pytest.mark.parametrize("name", ["power-z", "um25c", "shelly", "tasmota", "recording"])
def test_a_sensor_that_has_to_be_named_says_so(name: str) -> None:
    assert name in SOURCES
    with pytest.raises(SourceError):
        open_source(name)
