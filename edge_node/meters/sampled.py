"""Meters that read a sensor: measured joules of a window, divided over stages as in window.py.

One class for all sensors (sources/registry.py); a sensor measures the whole board (RAPL: the packages, NVML: a GPU). A
node that measures must have its board to itself.
"""

from __future__ import annotations

from edge_node.meters.base import MeterContext, Slot, lines_from
from edge_node.meters.modelled import CountingMeter
from edge_node.meters.sampling.counted import Edge
from edge_node.meters.sampling.integral import Mark
from edge_node.meters.sampling.limits import limits_of
from edge_node.meters.sampling.reading import Reading
from edge_node.meters.sampling.sampler import Sampler
from edge_node.meters.window import Window
from protos.messages.slot import EnergyLine, Metered

NS_PER_S = 1_000_000_000


class SampledMeter(CountingMeter):
    """Joules of one sensor."""

    measures_time = True

    def __init__(self, context: MeterContext, name: str) -> None:
        """``name`` of the sensor; the context's argument says which one. Raises MeterError."""
        super().__init__(context.board)
        self._wall = context.wall
        self.name = name
        self.sensor = Sampler(f"{name}:{context.argument}", limits_of(context.board))
        self.provenance = self.sensor.kind.provenance
        self.reading: Reading | None = None
        """Of the last window that was read."""
        self._begin: Mark | Edge = self.sensor.edge()

    @property
    def metered(self) -> Metered | None:
        """What is known of the last window's quality."""
        return None if self.reading is None else self.reading.metered

    def stop(self) -> None:
        """Let go of the sensor."""
        self.sensor.stop()

    def open(self, slot: int) -> None:
        self._window, self.reading = Window(), None
        if not self._wall:
            self.restart()

    def restart(self) -> None:
        """The window begins now."""
        self.sensor.forget(self._begin)
        self._begin = self.sensor.edge()

    def close(self, slot: Slot) -> tuple[EnergyLine, ...]:
        self.reading = None
        begin, end = self._begin, self.sensor.edge()
        if self._wall:
            self._begin = end
        self.reading = self.sensor.window(begin, end)
        duration_s = self.reading.duration_ns / NS_PER_S
        energies = self._window.measured_uj(self.reading.energy_uj, self._model, slot, duration_s)
        return lines_from(energies, self.provenance)
