"""Energy in the network per byte, by name, each with its source and the ends that sources give."""

from __future__ import annotations

import pytest

from edge_node.energy.transport import load_transport, transports


def test_every_transport_has_the_ends_of_its_sources_and_the_default_is_their_geometric_middle() -> None:
    for name, figure in transports().items():
        assert figure.range is not None, name
        assert figure.range.low_source, name
        assert figure.range.high_source, name
        assert 0 < figure.range.low < figure.range.high, name
        assert figure.range.low <= figure.value <= figure.range.high, name
    wifi = load_transport()
    assert wifi.range is not None
    assert wifi.value == pytest.approx((wifi.range.low * wifi.range.high) ** 0.5, rel=1e-3)
