"""Windows within a slot: one for each piece of work, such as a request to a language model."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any

from edge_node.config import BoardConfig
from edge_node.meters.base import Counted, Meter, MeterError, Work, sensor_of

log = logging.getLogger(__name__)
MICRO = 1e6


@dataclass(frozen=True, slots=True)
class Piece:
    """Reading of one piece of work."""

    seconds: float
    """Of the board."""
    compute_j: float | None
    """Above static power; None: there is no reading of it."""
    half_width_j: float | None
    """Half of the 95 % interval by a sensor's samples."""


class Pieces:
    """Cuts the work of a slot into pieces. Used between ``Meter.begin`` and ``Meter.add`` of the whole, in one thread:
    what comes after the last piece is the whole's.

    Args:
        meter: The node's meter.
        board: Its static power is taken off what a sensor reads.
    """

    def __init__(self, meter: Meter, board: BoardConfig) -> None:
        self._meter, self._static_w = meter, board.static_w
        self.times = bool(getattr(meter, "measures_time", False))
        """Whether seconds are measured, and not counted from operations."""

    def begin(self) -> None:
        """A piece begins. CPU time since the last one is part of it."""
        sensor = sensor_of(self._meter)
        self._edge: Any = None if sensor is None else sensor.edge()
        self._begun_s = time.perf_counter()

    def end(self, work: Work, seconds: float) -> Piece:
        """It has ended: enter it in the meter. ``seconds`` of the board, for meters that neither count nor time."""
        wall_s = time.perf_counter() - self._begun_s
        sensor = sensor_of(self._meter)
        edge = None if sensor is None else sensor.edge()
        self._meter.add(work)
        self._meter.begin()
        counted: Counted | None = getattr(self._meter, "counted", None)
        if sensor is None:
            if counted is None:
                return Piece(seconds, None, None)
            return Piece(counted.seconds, counted.compute_j, None)
        return self._read(sensor, edge, min(seconds, wall_s))

    def _read(self, sensor: Any, end: Any, seconds: float) -> Piece:
        try:
            reading = sensor.window(self._edge, end)
        except MeterError as error:
            log.info("a request has no reading of its own: %s", error)
            return Piece(seconds, None, None)
        finally:
            sensor.forget(self._edge)
        static_j = self._static_w * reading.duration_ns / 1e9
        half_uj = reading.metered.half_width_uj
        return Piece(
            seconds,
            max(0.0, reading.energy_uj / MICRO - static_j),
            None if half_uj is None else half_uj / MICRO,
        )
