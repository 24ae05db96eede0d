"""Plugs with Tasmota: ``/cm?cmnd=Status%2010``, ``StatusSNS.ENERGY.Total`` in kWh, or with ``,power`` ``Power`` in W.

As delivered Tasmota shows three digits of a kWh, steps of 3.6 kJ: too coarse for windows of minutes. The command
``EnergyRes 5`` makes them 36 J.
"""

from __future__ import annotations

from edge_node.meters.sources.http import Plug, number, step
from edge_node.meters.sources.source import Unwrapped
from protos.messages.terms import MeterKind

PATH = "/cm?cmnd=Status%2010"
UJ_PER_KWH, UW_PER_W = 3_600_000_000_000, 1_000_000


class Tasmota:
    rate_hz = 1.0

    def __init__(self, argument: str) -> None:
        self._plug = Plug(argument, "tasmota")
        power = self._plug.power_only
        self.kind = MeterKind.POWER if power else MeterKind.COUNTER
        self._keys, self._factor = ("Power", UW_PER_W) if power else ("Total", UJ_PER_KWH)
        first = number(self._plug.get(PATH), "StatusSNS", "ENERGY", self._keys)
        self.resolution = int(step(first) * self._factor)
        self._counter = Unwrapped(self._plug.address, int(first * self._factor))

    def read(self) -> int:
        now = int(number(self._plug.get(PATH), "StatusSNS", "ENERGY", self._keys) * self._factor)
        return now if self.kind is MeterKind.POWER else self._counter.total_uj(now)

    def close(self) -> None:
        """A connection lasts one read."""


def open_tasmota(argument: str) -> Tasmota:
    return Tasmota(argument)
