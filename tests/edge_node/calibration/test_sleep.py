"""Figures of sleep from cycles, by hand; cycles of a real sleeper are those of ``detabed sleep test``."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_node.actuators.actuator import ActuatorError
from edge_node.actuators.sleeper import Sleeper
from edge_node.calibration.reading import CalibrationError, Power
from edge_node.calibration.sleep import ASLEEP, Cycle, cycle, sleep_figures, spread


def slept(power_w: float = 0.5, wake_s: float = 2.0, wake_j: float = 9.0) -> Cycle:
    return Cycle(
        down_s=1.0,
        wake_s=wake_s,
        asleep=Power(ASLEEP, power_w, 0.4, 5.0, 99.0, 1.0),
        wake_j=wake_j,
        wake_half_width_j=5.0,
        wake_bias_j=0.1,
        asleep_bias_w=0.01,
    )


CYCLES = [slept(wake_s=seconds, wake_j=3.0 * seconds) for seconds in (1.9, 2.0, 2.1)]


def test_waking_up_is_above_static_power_and_its_interval_has_all_errors() -> None:
    """Mean 2 s and 6 J, 2 W idle: 2 J above. Spread of 1 W * (1.9, 2, 2.1) s: t 4.3027 * 0.1 / sqrt(3)."""
    found = sleep_figures(CYCLES, 2.0, 0.05)
    half_s = 4.3027 * 0.1 / 3**0.5
    assert found["wake_s"].value == pytest.approx(2.0)
    assert found["wake_s"].high == pytest.approx(2.0 + half_s)
    assert found["wake_j"].value == pytest.approx(2.0)
    half_j = (half_s**2 + 0.1**2 + (0.05 * 2.0) ** 2) ** 0.5
    assert found["wake_j"].low == pytest.approx(2.0 - half_j)
    assert found["wake_j"].note == "above static power; 6 J in all"
    assert (found["sleep_w"].value, found["sleep_w"].low) == (0.5, pytest.approx(0.49))


def test_a_wake_up_below_idle_power_costs_nothing_more() -> None:
    found = sleep_figures([slept(wake_j=3.9), slept(wake_j=4.0)], 2.0, 0.0)
    assert found["wake_j"].value == 0.0


@pytest.mark.parametrize(
    ("cycles", "text"),
    [
        (
            [slept(), replace(slept(), asleep=None, missing="stuck")],
            "sleep_w: no reading .* 1 of 2 cycles: stuck",
        ),
        ([slept(1.99), slept(2.01)], "sleep_w: .*the meter sees no sleep"),
        ([slept(0.4), slept(0.6)], "sleep_w: .*wider than 10% of what sleeping saves"),
        (
            [slept(), replace(slept(), wake_j=None, missing="gap")],
            "wake_j: no reading of 1 of 2 wake-ups: gap",
        ),
        ([slept(wake_s=1.0), slept(wake_s=3.0)], "wake_s: .*wider than 50% of a whole wake-up"),
        ([slept(wake_j=5.0), slept(wake_j=9.0)], "wake_j: .*wider than 50% of a whole wake-up"),
    ],
)
def test_what_says_too_little_is_refused_by_the_figures_name(cycles: list[Cycle], text: str) -> None:
    with pytest.raises(CalibrationError, match=text):
        sleep_figures(cycles, 2.0, 0.01)


def test_a_spread_of_nothing_and_of_one() -> None:
    assert spread([]) is None
    found = spread([2.0])
    assert found is not None
    assert found.half_width is None


class Broken:
    """An actuator whose board does not come back."""

    def check(self) -> None: ...

    def down(self) -> None: ...

    def up(self) -> None:
        raise ActuatorError("no answer")


def test_a_board_that_does_not_wake_ends_the_measurement() -> None:
    sleeper = Sleeper(Broken())
    with pytest.raises(ActuatorError, match="no answer"):
        cycle(sleeper, None, 0.0)
    sleeper.close()
