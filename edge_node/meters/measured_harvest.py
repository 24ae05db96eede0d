"""Harvest that a sensor on the panel's line measures, window by window; what is expected stays that of the series."""

from __future__ import annotations

from edge_node.config import HarvestConfig
from edge_node.energy.harvest import Harvest
from edge_node.meters.base import MeterError
from edge_node.meters.sampling.limits import limits_of_panel
from edge_node.meters.sampling.sampler import Sampler
from edge_node.meters.sources.registry import SOURCES
from protos.messages.slot import Metered
from protos.messages.terms import MeterKind


class MeasuredHarvest(Harvest):
    """Of a node on the wall clock: a window lasts from one reading to the next."""

    def __init__(self, config: HarvestConfig, slot_s: float, spec: str) -> None:
        """``spec`` of a sensor (sources/registry.py). Raises MeterError where it cannot be read, or is an estimate."""
        super().__init__(config, slot_s)
        self._sensor = open_panel(spec, config)
        self._begin = self._end = self._sensor.edge()

    def restart(self) -> None:
        """The window begins now."""
        self._sensor.forget(self._begin)
        self._begin = self._end = self._sensor.edge()

    def mark(self) -> None:
        """The window ends now, beside the end of the node's own."""
        self._end = self._sensor.edge()

    def over_uj(self, slot: int, duration_s: float) -> int:
        """What came in the window that ``mark`` ended. Raises MeterError where the reading is missing: never zero for
        it."""
        self.metered: Metered | None = None
        begin, self._begin = self._begin, self._end
        reading = self._sensor.window(begin, self._end)
        self.metered = reading.metered
        return reading.energy_uj

    def stop(self) -> None:
        """Let go of the sensor."""
        self._sensor.stop()


def open_panel(spec: str, config: HarvestConfig) -> Sampler:
    """The sensor of a panel. Raises MeterError."""
    name = spec.partition(":")[0]
    if name not in SOURCES:
        raise MeterError(
            f"harvest meter {spec!r} is no sensor; allowed are {', '.join(SOURCES)}, as NAME:ARGUMENT (detabed meter "
            "test SPEC reads one)"
        )
    peak_w = max((*config.power_w, *config.forecast_w, *config.clear_sky_w), default=0.0)
    sensor = Sampler(spec, limits_of_panel(peak_w), may_rest=True)
    if sensor.kind is MeterKind.ESTIMATE:
        sensor.stop()
        raise MeterError(
            f"harvest meter {spec!r} is an estimate of a board's load; name a sensor of the panel's line"
        )
    return sensor
