"""An actuator that switches a supply: what hangs on a plug is off, or on and ready."""

from __future__ import annotations

import time
from collections.abc import Sequence

from edge_node.actuators.plugs import Switch
from edge_node.actuators.program import check_program, wait_until_ready


class SupplyActuator:
    """A plug's relay.

    Args:
        switch: The relay.
        ready: Program that ends with 0 once what hangs on it is awake.
        time_limit_s: For waking up.
    """

    def __init__(self, switch: Switch, ready: Sequence[str], time_limit_s: float) -> None:
        self._switch, self._ready, self._limit_s = switch, ready, time_limit_s

    def check(self) -> None:
        check_program("ready", self._ready)
        self._switch.is_on()

    def down(self) -> None:
        self._switch.set(False)

    def up(self) -> None:
        until = time.monotonic() + self._limit_s
        self._switch.set(True)
        wait_until_ready(self._ready, until, self._limit_s)
