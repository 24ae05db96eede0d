"""A node whose board really sleeps: what its decisions do to the board, and what it reports of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from edge_node.actuators.actuator import ActuatorError
from edge_node.actuators.sleeper import Sleeper
from edge_node.config import SleepConfig
from edge_node.meters.sampling.reading import Reading
from edge_node.slots.errors import NotReady
from edge_node.slots.node import EdgeNode
from edge_node.workload import Parameters
from protos.messages.slot import Send, SleepReport
from protos.messages.terms import Component, MeterKind, Sleep, Stage
from tests.edge_node.slots.steps import MakeNode, decide, energies, finish, welcome

TRUE = SleepConfig(kind=Sleep.COMMAND, down=("true",), up=("true",))
READING = Reading(MeterKind.COUNTER, 9_000_000, 40_000, 10.0, 1.0, 0, 1_000_000_000)


class Board:
    """Counts the ways it is switched; ``fail``: ways that fail."""

    def __init__(self) -> None:
        self.done, self.fail = list[str](), set[str]()
        self.awake = threading.Event()
        self.awake.set()
        self.slow = False

    def check(self) -> None:
        pass

    def down(self) -> None:
        self._do("down")

    def up(self) -> None:
        if self.slow:
            self.awake.wait(20.0)
        self._do("up")

    def _do(self, way: str) -> None:
        self.done.append(way)
        if way in self.fail:
            raise ActuatorError(f"{way} did not work")

    def edge(self) -> int:
        return 0

    def window(self, begin: Any, end: Any) -> Reading:
        return READING

    def forget(self, edge: Any) -> None:
        pass


Make = Callable[..., tuple[EdgeNode, Board]]


@pytest.fixture
def make(make_node: MakeNode) -> Iterator[Make]:
    made: list[EdgeNode] = []

    def build(*, reads: bool = False) -> tuple[EdgeNode, Board]:
        board = Board()
        sleeper = Sleeper(board, board if reads else None)
        sleeper.start()
        node = make_node(sleep=TRUE, sleeper=sleeper)
        welcome(node)
        made.append(node)
        return node, board

    yield build
    for node in made:
        node.leave()


def sleep(node: EdgeNode, slot: int, **changes: Any) -> tuple[SleepReport | None, dict[Component, int]]:
    node.on_decision(decide("n0", slot, awake=False, **changes))
    usage, _ = finish(node, slot)
    return usage.sleep, energies(usage)


def test_a_decision_to_sleep_switches_the_board_and_is_reported(make: Make, model: Parameters) -> None:
    """Ten seconds of sleep at 0.5 W, of the model: no sensor reads this board."""
    node, board = make()
    assert node.switches
    assert node.profile().sleep is Sleep.COMMAND
    assert sleep(node, 0) == (SleepReport(asleep=True), {Component.SLEEP: 5_000_000})
    assert sleep(node, 1) == (SleepReport(asleep=True), {Component.SLEEP: 5_000_000})
    assert board.done == ["up", "down"]
    node.on_decision(decide("n0", 2, own=1))
    node.execute(model)
    usage, _ = finish(node, 2)
    assert board.done == ["up", "down", "up"]
    report = usage.sleep
    assert report is not None
    assert report.wake_s is not None
    assert (report.asleep, report.failed, report.wake_uj, report.provenance) == (False, "", None, None)
    assert energies(usage)[Component.WAKE] == 3_000_000  # the profile's, for nothing was read
    assert Component.SLEEP not in energies(usage)


def test_a_wake_up_that_was_read_is_reported_with_its_interval(make: Make) -> None:
    node, _ = make(reads=True)
    sleep(node, 0)
    node.on_decision(decide("n0", 1))
    usage, _ = finish(node, 1)
    assert usage.sleep is not None
    assert usage.sleep.wake_uj == READING.energy_uj
    assert (usage.sleep.wake_half_width_uj, usage.sleep.provenance) == (READING.half_width_uj, "measured")


def test_a_board_that_cannot_be_put_to_sleep_is_booked_as_awake(make: Make) -> None:
    node, board = make()
    board.fail = {"down"}
    report, energy = sleep(node, 0)
    assert report == SleepReport(asleep=False, failed="down did not work")
    assert energy == {Component.STATIC: 20_000_000}
    node.on_decision(decide("n0", 1))
    usage, _ = finish(node, 1)
    assert usage.sleep == SleepReport(asleep=False)  # never asleep: no wake-up
    assert energies(usage) == {Component.STATIC: 20_000_000}
    assert board.done == ["up", "down", "up"]


def test_a_board_that_does_not_wake_does_no_work_and_is_booked_as_awake(
    make: Make, model: Parameters
) -> None:
    node, board = make()
    sleep(node, 0)
    board.fail = {"up"}
    node.on_decision(decide("n0", 1, own=2))
    with pytest.raises(NotReady, match="n0 cannot work, for its board was not woken: up did not work"):
        node.execute(model)
    usage, _ = finish(node, 1)
    assert usage.sleep == SleepReport(asleep=False, failed="up did not work")
    assert (usage.executed, energies(usage)) == ((), {Component.STATIC: 20_000_000})
    board.fail.clear()
    node.on_decision(decide("n0", 2, own=2))
    node.execute(model)
    assert finish(node, 2)[0].executed


def test_work_waits_for_a_board_that_is_waking(make: Make, model: Parameters) -> None:
    node, board = make()
    sleep(node, 0)
    board.slow = True
    board.awake.clear()
    node.on_decision(decide("n0", 1, own=1))
    done = threading.Event()

    def work() -> None:
        node.execute(model)
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    assert not done.wait(0.05)
    board.awake.set()
    thread.join(20.0)
    assert done.is_set()
    finish(node, 1)


def test_a_board_sleeps_once_its_own_batches_have_left(make: Make) -> None:
    node, board = make()
    (parcel,) = node.on_decision(decide("n0", 0, awake=False, sends=(Send("n1", "", 2),)))
    node.settle_sleep()
    assert board.done == ["up"]
    node.parcel_delivered(parcel)
    usage, _ = finish(node, 0)
    assert board.done == ["up", "down"]
    assert usage.sleep == SleepReport(asleep=True)


def test_a_slot_without_a_decision_goes_on_as_the_one_before(make: Make) -> None:
    node, board = make()
    sleep(node, 0)
    usage, _ = finish(node, 1)
    assert usage.sleep == SleepReport(asleep=True)
    assert node.memory().slept
    node.leave()
    assert board.done == ["up", "down", "up"]


def test_nothing_is_reported_where_nothing_is_switched(make_node: MakeNode) -> None:
    node = make_node(stages=(Stage.DEVELOPMENT,))
    welcome(node)
    assert not node.switches
    node.settle_sleep()
    node.on_decision(decide("n0", 0, awake=False))
    assert finish(node, 0)[0].sleep is None
    node.leave()
