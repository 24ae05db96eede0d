"""Fault 1 at the grid of a stock ServerApp: a call that fails anywhere and is repeated loses no slot, no round and no
reply."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flwr.app import Message

from coordinator.adapters.slot_grid import SlotGrid
from edge_node.adapters.flower_private import stamp
from tests.coordinator.adapters.script import Script
from tests.coordinator.adapters.test_slot_grid import AppNodes, Later, awake, grid_of, train_message
from tests.reliability.sabotage import SabotageError, fail_at

WATCHED = ("coordinator", "protos")


def evaluate_message(number: int) -> Message:
    message = train_message(number, group="evaluate")
    return Message(message.content, number, "evaluate", group_id="evaluate")


class Run:
    """Two rounds of an app, by any way of sending. ``steps`` counts failed attempts by call; None: nothing fails."""

    def __init__(self, control: Script, window: int, steps: dict[str, int] | None) -> None:
        self.control, self.steps = control, steps
        self.grid = grid_of(control, AppNodes(silent={4}), slots=2 * window, window=window)

    def call(self, name: str, *arguments: Any) -> Any:
        entry: Callable[..., Any] = getattr(self.grid, name)
        step = 0
        while True:
            step += 1
            try:
                if self.steps is not None:
                    sys.setprofile(fail_at(step, WATCHED))
                return entry(*arguments)
            except SabotageError:
                assert self.steps is not None
            finally:
                sys.setprofile(None)
            self.steps[name] = self.steps.get(name, 0) + 1
            grid = self.grid
            assert len(grid.record.outcomes) + (grid._slot is not None) == grid._next, "no slot is lost"

    def send(self, messages: list[Message], way: str) -> list[Any]:
        for message in messages:
            stamp(message)
        if way == "one by one":
            replies = [reply for each in messages for reply in self.call("send_and_receive", [each])]
        elif way == "pushed":
            replies = self.call("pull_messages", self.call("push_messages", messages))
        else:
            replies = self.call("send_and_receive", messages)
        said = [
            (reply.metadata.src_node_id, reply.error.code)
            if reply.has_error()
            else (reply.metadata.src_node_id, dict(reply.content.metric_records["metrics"]))
            for reply in replies
        ]
        return sorted(said, key=str)

    def rounds(self, way: str) -> Any:
        """What the app hears, the slots, and what the coordinator was asked, repeats once."""
        heard = []
        self.call("evaluated", 0, {"accuracy": 0.1})
        for number in ("1", "2"):
            heard.append(self.send([train_message(node, group=number) for node in (2, 3, 4)], way))
            heard.append(self.send([evaluate_message(node) for node in (2, 3)], "at once"))
            self.call("evaluated", int(number), {"accuracy": 0.5})
        self.call("finish")
        return heard, outcomes(self.grid), list(dict.fromkeys(self.control.calls))


def outcomes(grid: SlotGrid) -> list[Any]:
    return [replace(outcome, evaluation=None) for outcome in grid.record.outcomes] + [
        outcome.evaluation for outcome in grid.record.outcomes
    ]


@pytest.mark.parametrize("way", ["at once", "pushed", "one by one"])
@pytest.mark.parametrize("window", [1, 2])
def test_a_call_of_the_grid_that_fails_anywhere_and_is_repeated_loses_nothing(way: str, window: int) -> None:
    def control() -> Script:
        return awake() if window == 1 else Later({})

    steps: dict[str, int] = {}
    failing = Run(control(), window, steps).rounds(way)
    assert failing == Run(control(), window, None).rounds(way)
    print(f"{sum(steps.values())} failed steps of the grid: {steps}")
    assert {"evaluated", "finish"} < set(steps)
