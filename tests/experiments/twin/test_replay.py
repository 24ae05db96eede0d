"""What of a ledger becomes a window: what whole runs here do not have (outside clients, actuators, late readings)."""

from __future__ import annotations

from typing import Any

import pytest

from coordinator.tables.recorded import RecordedRun
from edge_node.energy.boards import load_board
from edge_node.energy.power_model import PowerModel
from experiments.scenario.model import parse_scenario
from experiments.twin.operations import Operations
from experiments.twin.replay import LATE, Replayed, Window, replay
from tests.scenarios import SMALL

BOARD = load_board("raspberry-pi-4b").config()
OPERATIONS = Operations(parse_scenario(SMALL, "small.toml"), BOARD)
METERED = {
    "kind": "power",
    "energy_uj": 1_000_000,
    "half_width_uj": 10_000,
    "bias_uj": 0,
    "rate_hz": 100.0,
    "coverage_fraction": 1.0,
    "gaps": 0,
    "window_s": 2.0,
}


def served(requests: int, seconds: float) -> dict[str, Any]:
    return {"service": "mnist-mlp", "requests": requests, "prefill_s": seconds, "decode_s": 0.0}


def usage(**changes: Any) -> dict[str, Any]:
    line = {"stage": "unallocated", "component": "static", "energy_uj": 1_000_000, "provenance": "measured"}
    values = {
        "lines": [line],
        "executed": [],
        "moved": [],
        "model_bytes": 0,
        "serving": [],
        "metered": METERED,
    }
    return values | changes


def replayed(*slots: tuple[bool, dict[str, Any]], late: bool = False, stage: str = "application") -> Replayed:
    """Slots of one node, each (decided awake, usage)."""
    run = RecordedRun([])
    run.config, run.node_ids = {"slot_s": 2.0}, ["n0"]
    run.registrations["n0"] = {"profile": {"meter": "hwmon", "static_w": BOARD.static_w}}
    for slot, (awake, told) in enumerate(slots):
        run.decisions[slot] = {"stage": stage}
        run._decision_of[slot, "n0"] = {"awake": awake}
        run.usage[slot, "n0"], run.bookings[slot, "n0"] = told, {"late": late}
    return replay(run, OPERATIONS, {"n0": BOARD})


def only(found: Replayed) -> Window:
    (window,) = found.windows
    return window


def test_outside_clients_are_work_of_the_application_in_every_stage() -> None:
    told = usage(
        outside=served(64, 0.25),
        users=[{"owner": "n0", "stage": "application", "up_bytes": 1_000, "down_bytes": 10, "outside": True}],
    )
    window = only(replayed((True, told), stage="development"))
    flop = 64 * OPERATIONS.of_request("mnist-mlp")
    assert window.activity == "development"
    assert window.twin_busy_s == pytest.approx(PowerModel(BOARD).busy_s(flop))
    assert window.twin_lines["application", "compute"] == pytest.approx(
        1e6 * PowerModel(BOARD).compute_j(flop), abs=1
    )
    assert window.twin_lines["application", "radio_rx"] == round(1e9 * BOARD.rx_j_per_byte)
    assert window.busy_s is None, "a sensor does not time training"


def test_answers_of_a_node_with_a_sensor_have_seconds() -> None:
    told = usage(executed=[{"owner": "n0", "batches": 2}], serving=[served(32, 0.5)], outside=served(1, 0.25))
    assert only(replayed((True, told))).busy_s == pytest.approx(0.75)


def test_a_board_is_as_it_says_and_not_as_it_was_told() -> None:
    """Told to sleep, it could not; then it slept, then it was woken."""
    report = {"asleep": False, "failed": "no answer", "wake_s": None}
    failed, slept, woken = replayed(
        (False, usage(sleep=report)),
        (False, usage(sleep=report | {"asleep": True, "failed": ""})),
        (True, usage(sleep=report | {"wake_s": 1.5, "failed": ""})),
    ).windows
    assert (failed.activity, slept.activity, woken.activity) == ("idle", "asleep", "idle")
    assert dict(failed.twin_lines) == {("unallocated", "static"): round(2e6 * BOARD.static_w)}
    assert dict(slept.twin_lines) == {("unallocated", "sleep"): round(2e6 * BOARD.sleep_w)}
    assert woken.twin_lines["application", "wake"] == round(1e6 * BOARD.wake_j)
    assert (woken.wake_s, woken.twin_wake_s) == (1.5, BOARD.wake_s)


def test_a_late_reading_is_left_out() -> None:
    found = replayed((True, usage()), late=True)
    assert found.windows == ()
    assert [each.why for each in found.left_out] == [LATE]


def test_idle_power_is_priced_for_the_window_s_own_seconds() -> None:
    window = only(replayed((True, usage(metered=METERED | {"window_s": 3.0}))))
    assert window.twin_uj == round(2e6 * BOARD.static_w)
    assert window.twin_window_uj == round(3e6 * BOARD.static_w)
    assert (window.window_s, window.twin_s) == (3.0, 2.0)


def test_on_the_wall_clock_a_window_without_a_sensor_has_a_length_too() -> None:
    window = only(replayed((True, usage(metered=None, duration_s=2.5))))
    assert (window.window_s, window.half_width_uj) == (2.5, None)
    assert window.twin_window_uj == round(2.5e6 * BOARD.static_w)


def test_a_model_came_and_went_back_where_there_was_work_and_else_only_came() -> None:
    """A thousand bytes."""
    worked, idle = replayed(
        (True, usage(model_bytes=1000, executed=[{"owner": "n0", "batches": 1}])),
        (True, usage(model_bytes=1000)),
        stage="development",
    ).windows
    sent_uj, received_uj = (1e6 * per_byte for per_byte in (BOARD.tx_j_per_byte, BOARD.rx_j_per_byte))
    assert worked.twin_lines["development", "radio_tx"] == round(500 * sent_uj)
    assert worked.twin_lines["development", "radio_rx"] == round(500 * received_uj)
    assert ("development", "radio_tx") not in idle.twin_lines
    assert idle.twin_lines["development", "radio_rx"] == round(1000 * received_uj)
