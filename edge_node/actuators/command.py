"""An actuator of two programs: one puts the board to sleep, one wakes it."""

from __future__ import annotations

import time
from collections.abc import Sequence

from edge_node.actuators.program import check_program, run_program, wait_until_ready


class CommandActuator:
    """Programs with their arguments.

    Args:
        down: Puts the board to sleep; ends once it sleeps.
        up: Wakes it; may be run where it is awake.
        ready: Ends with 0 once the board is awake; empty: it is when ``up`` ends.
        time_limit_s: For each way.
    """

    def __init__(
        self, down: Sequence[str], up: Sequence[str], ready: Sequence[str], time_limit_s: float
    ) -> None:
        self._down, self._up, self._ready, self._limit_s = down, up, ready, time_limit_s

    def check(self) -> None:
        for role, arguments in (("down", self._down), ("up", self._up), ("ready", self._ready)):
            if arguments:
                check_program(role, arguments)

    def down(self) -> None:
        run_program("down", self._down, self._limit_s)

    def up(self) -> None:
        until = time.monotonic() + self._limit_s
        run_program("up", self._up, self._limit_s)
        if self._ready:
            wait_until_ready(self._ready, until, self._limit_s)
