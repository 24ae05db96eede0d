"""Windows within a slot, one for each piece of work."""

from __future__ import annotations

import pytest

from edge_node.config import BoardConfig
from edge_node.meters.base import MeterContext, Slot, Work
from edge_node.meters.cpu_time import CpuTimeMeter
from edge_node.meters.modelled import ModelledMeter
from edge_node.meters.pieces import Pieces
from protos.messages.terms import Component, Stage

BOARD = BoardConfig(
    name="b",
    static_w=2.0,
    busy_w=6.0,
    sleep_w=0.1,
    wake_j=0,
    wake_s=0,
    effective_flop_per_s=100.0,
    tx_j_per_byte=0,
    rx_j_per_byte=0,
    storage_bytes=0,
)
SERVING = Slot(0, Stage.APPLICATION, True, False)


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_cpu_seconds_of_the_node_and_of_the_process_beside_it_are_the_pieces() -> None:
    own, beside, wall = Clock(), Clock(), Clock()
    meter = CpuTimeMeter(MeterContext(BOARD, 100.0, beside_cpu_s=beside), own, wall, cores=2)
    pieces = Pieces(meter, BOARD)
    meter.begin()
    found = []
    for spent_s, wasted in ((1.0, False), (3.0, True)):
        pieces.begin()
        own.now_s += 0.5
        beside.now_s += spent_s
        wall.now_s += 10.0
        found.append(pieces.end(Work(Stage.APPLICATION, 0.0, wasted), spent_s))
    own.now_s += 0.25  # after the last piece
    wall.now_s += 10.0
    meter.add(Work(Stage.APPLICATION, 0.0))
    assert [piece.seconds for piece in found] == [1.5, 3.5]
    assert [piece.compute_j for piece in found] == [3.0, 7.0]  # two watts a core
    lines = {(line.stage, line.component): line.energy_uj for line in meter.close(SERVING)}
    assert lines[Stage.APPLICATION, Component.COMPUTE] == 3_500_000
    assert lines[Stage.APPLICATION, Component.WASTE] == 7_000_000
    assert pieces.times


def test_counted_operations_are_the_pieces_of_a_meter_that_counts() -> None:
    meter = ModelledMeter(MeterContext(BOARD, 100.0))
    pieces = Pieces(meter, BOARD)
    pieces.begin()
    piece = pieces.end(Work(Stage.APPLICATION, 150.0), 9.0)
    assert (piece.seconds, piece.compute_j) == (1.5, pytest.approx(6.0))
    assert not pieces.times
