"""A board whose figures are all different, for sums by hand."""

from __future__ import annotations

from edge_node.config import BoardConfig

BOARD = BoardConfig(
    name="by hand",
    static_w=2.5,
    busy_w=6.5,
    sleep_w=0.25,
    wake_j=3.0,
    wake_s=0.75,
    effective_flop_per_s=2e5,
    tx_j_per_byte=0.5,
    rx_j_per_byte=0.25,
    storage_bytes=4_321,
)
