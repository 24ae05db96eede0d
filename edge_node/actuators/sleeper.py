"""One board that really sleeps: what it was wished to do, what it did, and what waking it took.

Actuators block, and a node must not: wishes are carried out one after the other in a thread. What could not be switched
leaves the board in an unknown state, which counts as awake.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from edge_node.actuators.actuator import Actuator, ActuatorError
from edge_node.meters.base import MeterError
from edge_node.meters.sampling.reading import Reading

log = logging.getLogger(__name__)


class Sensor(Protocol):
    """A meter's sensor, which gives readings of windows between edges (edge_node.meters.sampling.sampler)."""

    def edge(self) -> Any: ...

    def window(self, begin: Any, end: Any) -> Reading: ...

    def forget(self, edge: Any) -> None: ...


class State(StrEnum):
    AWAKE = "awake"
    ASLEEP = "asleep"
    UNKNOWN = "unknown"
    """Something failed."""


@dataclass(frozen=True, slots=True)
class Wake:
    """One wake-up, from the wish until the board was ready."""

    seconds: float
    """Wall time."""
    reading: Reading | None
    """Its joules, idle power included; None: see ``missing``."""
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a board did in a slot so far."""

    asleep: bool
    """Whether it sleeps now."""
    awake_s: float = 0.0
    """Of a slot that ends asleep: its first seconds, until the board slept."""
    wake: Wake | None = None
    failed: str = ""
    """What could not be switched, and why."""


class Sleeper:
    """Owns an actuator. Methods may be called from any thread.

    Args:
        actuator: Switches the board.
        sensor: Measures wake-ups; None: their time alone is measured.
        clock: Monotonic seconds.
    """

    def __init__(
        self, actuator: Actuator, sensor: Sensor | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._actuator, self._sensor, self._clock = actuator, sensor, clock
        self._changed = threading.Condition()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="sleep")
        self._state, self._wished, self._pending = State.UNKNOWN, True, 0
        self._slot_began = self._fell_asleep = clock()
        self._wake: Wake | None = None
        self._failed = ""

    def start(self) -> None:
        """Wake the board, in whatever state an earlier process left it. Raises ActuatorError."""
        self._actuator.check()
        self._actuator.up()
        self._state = State.AWAKE

    def wish(self, *, awake: bool) -> None:
        """What the board is to be from now on; returns at once. The same wish again is tried again if it failed."""
        with self._changed:
            there = self._state is (State.AWAKE if awake else State.ASLEEP)
            if awake is self._wished and (there or self._pending):
                return
            self._wished = awake
            self._pending += 1
        self._worker.submit(self._carry_out, awake)

    def begin_slot(self) -> None:
        """What is reported from now on is of a new slot."""
        with self._changed:
            self._slot_began, self._wake, self._failed = self._clock(), None, ""

    def wait_until_awake(self) -> str:
        """Block until the board is awake; returns why it is not going to be, empty where it is."""
        with self._changed:
            self._changed.wait_for(lambda: self._state is State.AWAKE or not self._pending)
            return "" if self._state is State.AWAKE else self._failed or f"it is {self._state}"

    def settle(self) -> None:
        """Block until every wish has been carried out, or has failed."""
        with self._changed:
            self._changed.wait_for(lambda: not self._pending)

    def outcome(self) -> Outcome:
        """Of the slot so far. A board that is still being switched is not asleep."""
        with self._changed:
            asleep = self._state is State.ASLEEP and not self._pending
            awake_s = max(0.0, self._fell_asleep - self._slot_began) if asleep else 0.0
            unfinished = "the slot ended before it was switched" if self._pending else ""
            return Outcome(asleep, awake_s, self._wake, self._failed or unfinished)

    def close(self) -> None:
        """Leave the board awake."""
        with self._changed:
            is_awake = self._state is State.AWAKE and not self._pending
        if not is_awake:
            self.wish(awake=True)
            self.settle()
        self._worker.shutdown()
        if self._state is not State.AWAKE:
            log.warning("the board was not left awake: %s", self._failed)

    def _carry_out(self, awake: bool) -> None:
        failed, state = "", State.UNKNOWN
        try:
            if awake:
                self._wake_up()
            elif self._state is not State.ASLEEP:
                self._actuator.down()
            state = State.AWAKE if awake else State.ASLEEP
        except ActuatorError as error:
            failed = str(error)
        except Exception as error:  # a defect must not leave those who wait waiting
            log.exception("the board's actuator failed")
            failed = f"{type(error).__name__}: {error}"
        with self._changed:
            if state is State.ASLEEP and self._state is not State.ASLEEP:
                self._fell_asleep = self._clock()
            self._state, self._pending = state, self._pending - 1
            self._failed = self._failed or failed
            self._changed.notify_all()
        if failed:
            log.warning("the board counts as awake: %s", failed)

    def _wake_up(self) -> None:
        if self._state is State.AWAKE:
            return
        slept, sensor = self._state is State.ASLEEP, self._sensor
        begin = sensor.edge() if sensor is not None and slept else None
        begun = self._clock()
        try:
            self._actuator.up()
        except BaseException:
            if sensor is not None and begin is not None:
                sensor.forget(begin)
            raise
        seconds = self._clock() - begun
        end = sensor.edge() if sensor is not None and slept else None
        with self._changed:  # work may begin; the sensor's last sample is yet to come
            self._state = State.AWAKE
            self._changed.notify_all()
        if slept:
            wake = _measured(seconds, sensor, begin, end)
            with self._changed:
                self._wake = wake


def _measured(seconds: float, sensor: Sensor | None, begin: Any, end: Any) -> Wake:
    if sensor is None:
        return Wake(seconds, None, "no sensor reads this board")
    try:
        return Wake(seconds, sensor.window(begin, end))
    except MeterError as error:
        return Wake(seconds, None, str(error))
    finally:
        sensor.forget(end)
