"""Interface of a source, and counters that wrap."""

from __future__ import annotations

import pytest

from edge_node.meters.sources.source import Restarted, SourceError, Unwrapped


def test_a_counter_that_wraps_loses_nothing() -> None:
    counter = Unwrapped("c", 100, range_uj=1000)
    assert counter.total_uj(990) == 890
    assert counter.total_uj(15) == 915  # past 999 and round
    assert counter.total_uj(15) == 915


def test_a_counter_without_a_range_that_falls_began_anew() -> None:
    counter = Unwrapped("c", 100)
    assert counter.total_uj(150) == 50
    with pytest.raises(Restarted, match="fell from 150 to 20"):
        counter.total_uj(20)
    assert counter.total_uj(30) == 80


def test_a_negative_counter_is_refused() -> None:
    with pytest.raises(SourceError, match="-1 uJ"):
        Unwrapped("c", 100, range_uj=1000).total_uj(-1)
