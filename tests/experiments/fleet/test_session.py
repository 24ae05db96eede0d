"""A slot is asked for until a node is back, and no longer than the time for that."""

from __future__ import annotations

from typing import Any

import pytest

from coordinator.adapters.control_client import CoordinatorRefusedError
from experiments.fleet.session import AWAY_S, PatientControl
from protos.messages.terms import Stage


class Control:
    """Refuses a slot so many times."""

    def __init__(self, refusals: int, code: str = "no_nodes") -> None:
        self.refusals, self.code, self.calls = refusals, code, 0

    def begin_slot(self, slot: int, stage: Stage, wait_s: float) -> Any:
        self.calls += 1
        if self.calls <= self.refusals:
            raise CoordinatorRefusedError(self.code, "refused")
        return slot, stage, wait_s

    def end_slot(self, *arguments: Any) -> Any:
        return arguments


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 10.0)


def patient(control: Control, looked: list[int] | None = None) -> PatientControl:
    clock = Clock()
    look = (lambda: None) if looked is None else (lambda: looked.append(1))
    return PatientControl(control, look, clock, clock.sleep)  # type: ignore[arg-type]


def test_a_slot_is_asked_for_until_a_node_is_back_and_lost_ones_are_seen_to_meanwhile() -> None:
    looked: list[int] = []
    control = Control(3)
    assert patient(control, looked).begin_slot(7, Stage.DEVELOPMENT, 10.0) == (7, Stage.DEVELOPMENT, 10.0)
    assert len(looked) == 3


def test_nodes_that_stay_away_end_the_run() -> None:
    control = Control(10_000)
    with pytest.raises(CoordinatorRefusedError, match="no_nodes"):
        patient(control).begin_slot(0, Stage.DEVELOPMENT, 10.0)
    assert control.calls == AWAY_S / 10.0 + 1


def test_another_refusal_is_not_asked_again() -> None:
    control = Control(1, "wrong_slot")
    with pytest.raises(CoordinatorRefusedError, match="wrong_slot"):
        patient(control).begin_slot(0, Stage.DEVELOPMENT, 10.0)
    assert control.calls == 1


def test_what_ends_the_run_ends_the_wait() -> None:
    def dead() -> None:
        raise OSError("its files cannot be written")

    control: Any = Control(5)
    with pytest.raises(OSError, match="cannot be written"):
        PatientControl(control, dead, sleep=lambda seconds: None).begin_slot(0, Stage.DEVELOPMENT, 10.0)


def test_the_end_of_a_slot_is_passed_on() -> None:
    assert patient(Control(0)).end_slot(1, 2.0, 3, 4) == (1, 2.0, 3, 4)
