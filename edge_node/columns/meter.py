"""The ``modelled`` meter of many nodes: edge_node.meters.window row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from carbon_data.exact import Floats, Ints, to_micro
from edge_node.config import BoardConfig
from edge_node.energy.power_model import PowerModel
from protos.messages.columns import Bools, LineName
from protos.messages.terms import Component, Stage


def line_names(stage: Stage) -> tuple[LineName, ...]:
    """Lines of a slot of ``stage``, in the order of a reading."""
    own = (Component.COMPUTE, Component.STATIC, Component.WAKE, Component.RADIO_TX, Component.RADIO_RX)
    idle = (Component.STATIC, Component.SLEEP)
    return (*((stage, name) for name in own), *((Stage.UNALLOCATED, name) for name in idle))


@dataclass(frozen=True, slots=True)
class BoardColumns:
    """Powers and speed of N boards."""

    static_w: Floats
    dynamic_w: Floats
    flop_per_s: Floats
    sleep_w: Floats
    wake_j: Floats
    tx_j_per_byte: Floats
    rx_j_per_byte: Floats
    points: tuple[Floats, Floats, Floats] | None = None
    """(N, K) static_w, dynamic_w and flop_per_s at each operating point; None: no board has any."""

    def at(self, point: Ints | None) -> BoardColumns:
        """The boards at their (N,) operating points; None: at full speed."""
        if point is None or self.points is None:
            return self
        row = np.arange(len(point))
        static_w, dynamic_w, flop_per_s = (values[row, point] for values in self.points)
        return replace(self, static_w=static_w, dynamic_w=dynamic_w, flop_per_s=flop_per_s)

    @classmethod
    def of(cls, boards: Sequence[BoardConfig]) -> BoardColumns:
        def column(name: str) -> Floats:
            return np.array([getattr(board, name) for board in boards], dtype=np.float64)

        return cls(
            static_w=column("static_w"),
            dynamic_w=np.array([PowerModel(board).dynamic_w for board in boards], dtype=np.float64),
            flop_per_s=column("effective_flop_per_s"),
            sleep_w=column("sleep_w"),
            wake_j=column("wake_j"),
            tx_j_per_byte=column("tx_j_per_byte"),
            rx_j_per_byte=column("rx_j_per_byte"),
            points=_points(boards),
        )


def _points(boards: Sequence[BoardConfig]) -> tuple[Floats, Floats, Floats] | None:
    most = max(len(board.points) for board in boards)
    if most < 2:
        return None
    every = [[board.at(min(k, max(0, len(board.points) - 1))) for k in range(most)] for board in boards]
    return (
        np.array([[each.static_w for each in row] for row in every]),
        np.array([[PowerModel(each).dynamic_w for each in row] for row in every]),
        np.array([[each.effective_flop_per_s for each in row] for row in every]),
    )


def metered_uj(
    board: BoardColumns,
    *,
    awake: Bools,
    woke: Bools,
    flop: Floats,
    tx_bytes: Ints,
    rx_bytes: Ints,
    slot_s: float,
) -> Ints:
    """(N, L) of ``line_names``: Window.modelled_uj, with work only where there is ``flop``."""
    busy_s = flop / board.flop_per_s
    duration_s = np.maximum(slot_s, busy_s)
    static_uj = np.where(awake, to_micro(board.static_w * duration_s), 0)
    idle, busy = _in_two(static_uj, np.maximum(0.0, duration_s - busy_s), busy_s)
    works = (flop > 0) & awake
    return np.stack(
        [
            to_micro(busy_s * board.dynamic_w),
            np.where(works, busy, 0),
            np.where(woke, to_micro(board.wake_j), 0),
            to_micro(tx_bytes * board.tx_j_per_byte),
            to_micro(rx_bytes * board.rx_j_per_byte),
            np.where(works, idle, static_uj),
            np.where(awake, 0, to_micro(board.sleep_w * slot_s)),
        ],
        axis=1,
    )


def _in_two(total: Ints, first: Floats, second: Floats) -> tuple[Ints, Ints]:
    """edge_node.meters.base.spread over two weights that are not both zero."""
    whole = first + second
    exact = total * (first / whole), total * (second / whole)
    parts = exact[0].astype(np.int64), exact[1].astype(np.int64)
    left = total - (parts[0] + parts[1])
    second_first = exact[1] - parts[1] > exact[0] - parts[0]
    units, sign = np.abs(left), np.sign(left)
    more, less = sign * ((units + 1) // 2), sign * (units // 2)
    return parts[0] + np.where(second_first, less, more), parts[1] + np.where(second_first, more, less)
