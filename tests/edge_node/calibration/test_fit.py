"""Figures of a board from what was read; what no board does is refused by the figure's name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from edge_node.calibration.fit import Fit, fit, refuse_other_idle
from edge_node.calibration.measure import IDLE, IDLE_AGAIN
from edge_node.calibration.reading import CalibrationError, Power
from tests.edge_node.calibration.powers import SERVING, TRAINING, board


def fitted(powers: Mapping[str, Power]) -> Fit:
    return fit(powers, 4, TRAINING, [SERVING])


def test_the_work_that_nodes_do_gives_power_and_speed() -> None:
    found = fitted(board())
    assert found.watts_per_core == pytest.approx(1.0)
    static, busy, speed = (found.figures[name] for name in ("static_w", "busy_w", "effective_flop_per_s"))
    assert (static.value, static.low, static.high) == (2.0, pytest.approx(1.98), pytest.approx(2.02))
    assert (busy.value, busy.low, busy.high) == (2.9, pytest.approx(2.88), pytest.approx(2.92))
    assert busy.note == "1 to 4 busy cores: 3, 4, 5, 6 W; 1 W a core"
    assert (speed.value, speed.low, speed.high) == (1.5e9, 1.48e9, 1.52e9)
    assert speed.note.startswith("serving mnist-mlp: 2.8 W +- 0.02 W, 2.5e+09 FLOP/s")


def test_without_a_task_all_cores_are_the_power_and_the_speed_is_not_known() -> None:
    found = fit(board(), 4, None, [])
    assert found.figures["busy_w"].value == 6.0
    assert set(found.figures) == {"static_w", "busy_w"}


def test_an_estimate_has_no_interval() -> None:
    powers = {step: replace(power, half_width_w=None) for step, power in board().items()}
    found = fitted(powers)
    assert (found.figures["static_w"].low, found.figures["busy_w"].high) == (None, None)


@pytest.mark.parametrize(
    ("watts", "text"),
    [
        ({"4 cores busy": 2.01}, r"^busy_w: .*the meter sees no difference"),
        (
            {"3 cores busy": 3.5},
            r"^busy_w: 3 cores busy: 3\.5 W .*with less load 2 cores busy: 4 W .*more cores draw less",
        ),
        ({"1 core busy": 1.5}, r"^busy_w: 1 core busy: .*with less load idle: "),
        ({IDLE_AGAIN: 2.6}, r"^static_w: .*changed by 0\.6 W, allowed are 0\.4 W"),
        ({TRAINING: 1.5}, r"^busy_w: training mnist-mlp: 1\.5 W .*working draws less than idling"),
        ({TRAINING: 7.5}, r"^busy_w: training mnist-mlp: 7\.5 W .*a task draws at most 7 W"),
        ({SERVING: 7.5}, r"^busy_w: serving mnist-mlp: 7\.5 W .*a task draws at most 7 W"),
    ],
)
def test_what_no_board_does_is_refused_by_name(watts: dict[str, float], text: str) -> None:
    with pytest.raises(CalibrationError, match=text):
        fitted(board(watts))


def test_a_reading_that_says_too_little_is_refused() -> None:
    powers = board()
    for step, name in ((IDLE, "static_w"), (TRAINING, "busy_w")):
        wide = {**powers, step: replace(powers[step], half_width_w=0.4)}
        if step == IDLE:
            wide[IDLE_AGAIN] = replace(powers[IDLE_AGAIN], half_width_w=0.4)
        with pytest.raises(CalibrationError, match=f"^{name}: .*wider than 10%"):
            fitted(wide)


def test_training_that_counts_nothing_is_refused() -> None:
    powers = board()
    powers[TRAINING] = replace(powers[TRAINING], flop_per_s=0.0)
    with pytest.raises(CalibrationError, match=r"^effective_flop_per_s: "):
        fitted(powers)


def test_a_speed_known_to_nothing_has_no_ends() -> None:
    powers = board()
    powers[TRAINING] = replace(powers[TRAINING], flop_half_width=2e9)
    assert fitted(powers).figures["effective_flop_per_s"].low is None


def test_an_idle_power_of_another_profile_is_refused() -> None:
    refuse_other_idle(board()[IDLE], 2.1, "mine")
    with pytest.raises(
        CalibrationError, match=r"^static_w: idle: 2 W .*profile mine has 3 W: is it that of this board"
    ):
        refuse_other_idle(board()[IDLE], 3.0, "mine")
