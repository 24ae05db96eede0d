"""Shelly plugs: the cumulative energy of their own counter, or with ``,power`` their power.

Generation 2 and later: ``/rpc/Switch.GetStatus?id=0``, ``aenergy.total`` in Wh, ``apower`` in W. Generation 1:
``/status``, ``meters[0].total`` in Wmin, ``meters[0].power`` in W. ``/shelly`` says which one it is (``gen``).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from edge_node.meters.sources.http import Plug, number, step
from edge_node.meters.sources.source import Unwrapped
from protos.messages.terms import MeterKind

UJ_PER_WH, UJ_PER_WMIN, UW_PER_W = 3_600_000_000, 60_000_000, 1_000_000


class Shelly:
    rate_hz = 1.0

    def __init__(self, argument: str) -> None:
        self._plug = Plug(argument, "shelly")
        first = number({"gen": Decimal(1), **self._plug.get("/shelly")}, "gen") < 2
        self._path = "/status" if first else "/rpc/Switch.GetStatus?id=0"
        self._energy_keys: tuple[str | int, ...] = ("meters", 0, "total") if first else ("aenergy", "total")
        self._power_keys: tuple[str | int, ...] = ("meters", 0, "power") if first else ("apower",)
        self._uj = UJ_PER_WMIN if first else UJ_PER_WH
        found = self._plug.get(self._path)
        if self._plug.power_only:
            self.kind = MeterKind.POWER
            self.resolution = int(step(number(found, *self._power_keys)) * UW_PER_W)
        else:
            self.kind = MeterKind.COUNTER
            self.resolution = int(step(number(found, *self._energy_keys)) * self._uj)
            self._counter = Unwrapped(self._plug.address, self._counted_uj(found))

    def read(self) -> int:
        found = self._plug.get(self._path)
        if self._plug.power_only:
            return int(number(found, *self._power_keys) * UW_PER_W)
        return self._counter.total_uj(self._counted_uj(found))

    def close(self) -> None:
        """A connection lasts one read."""

    def _counted_uj(self, found: Mapping[str, Any]) -> int:
        return int(number(found, *self._energy_keys) * self._uj)


def open_shelly(argument: str) -> Shelly:
    return Shelly(argument)
