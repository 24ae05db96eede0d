"""A board that really sleeps: wishes in their order, what was done, and what waking took."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from edge_node.actuators.actuator import ActuatorError
from edge_node.actuators.sleeper import Outcome, Sleeper
from edge_node.meters.base import MeterError
from edge_node.meters.sampling.reading import Reading
from protos.messages.terms import MeterKind

READING = Reading(MeterKind.COUNTER, 4_000_000, 50_000, 10.0, 1.0, 0, 2_000_000_000)
WAIT_S = 60.0


class Bench:
    """An actuator and a sensor whose clock is the test's; ``fail``: ways that fail; ``hold``: the next way waits."""

    def __init__(self, *fail: str) -> None:
        self.now, self.done, self.fail = 0.0, list[str](), set(fail)
        self.held = threading.Event()
        self.held.set()
        self.edges, self.forgotten = 0, list[int]()
        self.unread = ""

    def check(self) -> None:
        self._do("check", 0.0)

    def down(self) -> None:
        self._do("down", 1.0)

    def up(self) -> None:
        self._do("up", 2.0)

    def _do(self, way: str, takes_s: float) -> None:
        assert self.held.wait(WAIT_S)
        self.now += takes_s
        self.done.append(way)
        if way in self.fail:
            raise ActuatorError(f"{way} did not work")

    def edge(self) -> int:
        self.edges += 1
        return self.edges

    def window(self, begin: int, end: int) -> Reading:
        if self.unread:
            raise MeterError(self.unread)
        assert (begin, end) == (self.edges - 1, self.edges)
        return READING

    def forget(self, edge: Any) -> None:
        self.forgotten.append(edge)

    def sleeper(self, *, reads: bool = True) -> Sleeper:
        made = Sleeper(self, self if reads else None, clock=lambda: self.now)
        made.start()
        made.begin_slot()
        return made


def wished(sleeper: Sleeper, *, awake: bool) -> Outcome:
    sleeper.wish(awake=awake)
    sleeper.settle()
    return sleeper.outcome()


def test_it_begins_awake_sleeps_and_wakes_with_time_and_joules() -> None:
    bench = Bench()
    sleeper = bench.sleeper()
    assert bench.done == ["check", "up"]
    assert sleeper.outcome() == Outcome(asleep=False)
    bench.now += 5.0
    assert wished(sleeper, awake=False) == Outcome(asleep=True, awake_s=6.0)
    sleeper.begin_slot()
    assert wished(sleeper, awake=False) == Outcome(asleep=True)
    sleeper.begin_slot()
    found = wished(sleeper, awake=True)
    assert (found.asleep, found.failed) == (False, "")
    assert found.wake is not None
    assert (found.wake.seconds, found.wake.reading) == (2.0, READING)
    assert bench.done == ["check", "up", "down", "up"]
    assert sleeper.wait_until_awake() == ""
    sleeper.begin_slot()
    assert wished(sleeper, awake=True) == Outcome(asleep=False)
    sleeper.close()
    assert bench.done == ["check", "up", "down", "up"]


def test_without_a_reading_the_time_is_known_and_the_joules_say_why() -> None:
    for reads, reason in ((False, "no sensor reads this board"), (True, "3 gaps")):
        bench = Bench()
        bench.unread = "3 gaps"
        sleeper = bench.sleeper(reads=reads)
        wished(sleeper, awake=False)
        wake = wished(sleeper, awake=True).wake
        assert wake is not None
        assert (wake.seconds, wake.reading, wake.missing) == (2.0, None, reason)
        sleeper.close()


def test_a_board_that_cannot_be_put_to_sleep_counts_as_awake() -> None:
    bench = Bench("down")
    sleeper = bench.sleeper()
    assert wished(sleeper, awake=False) == Outcome(asleep=False, failed="down did not work")
    sleeper.begin_slot()
    bench.fail.clear()
    assert wished(sleeper, awake=False).asleep  # tried again
    sleeper.close()


def test_after_a_failure_it_is_woken_before_it_works_and_that_is_no_wake_up() -> None:
    bench = Bench("down")
    sleeper = bench.sleeper()
    wished(sleeper, awake=False)
    sleeper.begin_slot()
    assert wished(sleeper, awake=True) == Outcome(asleep=False)
    assert bench.done == ["check", "up", "down", "up"]
    assert sleeper.wait_until_awake() == ""
    sleeper.close()


def test_a_board_that_does_not_wake_says_so_to_those_who_wait_and_is_tried_again() -> None:
    bench = Bench()
    sleeper = bench.sleeper()
    wished(sleeper, awake=False)
    sleeper.begin_slot()
    bench.fail.add("up")
    sleeper.wish(awake=True)
    assert sleeper.wait_until_awake() == "up did not work"
    assert sleeper.outcome() == Outcome(asleep=False, failed="up did not work")
    assert bench.forgotten == [1]
    sleeper.begin_slot()
    bench.fail.clear()
    assert wished(sleeper, awake=True) == Outcome(asleep=False)
    sleeper.close()


def test_wishes_are_carried_out_in_their_order_and_not_twice() -> None:
    bench = Bench()
    sleeper = bench.sleeper()
    bench.held.clear()
    sleeper.wish(awake=False)
    sleeper.wish(awake=False)
    assert sleeper.outcome() == Outcome(asleep=False, failed="the slot ended before it was switched")
    sleeper.wish(awake=True)
    bench.held.set()
    sleeper.settle()
    assert bench.done == ["check", "up", "down", "up"]
    assert not sleeper.outcome().asleep
    sleeper.close()


def test_it_is_left_awake_and_a_start_that_fails_is_named() -> None:
    bench = Bench()
    sleeper = bench.sleeper()
    wished(sleeper, awake=False)
    sleeper.close()
    assert bench.done[-1] == "up"
    for way in ("check", "up"):
        with pytest.raises(ActuatorError, match=f"{way} did not work"):
            Bench(way).sleeper()


def test_a_defect_of_an_actuator_leaves_nobody_waiting() -> None:
    bench = Bench()
    sleeper = bench.sleeper()
    bench.down = lambda: time.sleep("long")  # type: ignore[assignment, arg-type]
    found = wished(sleeper, awake=False)
    assert not found.asleep
    assert found.failed.startswith("TypeError: ")
    sleeper.close()
