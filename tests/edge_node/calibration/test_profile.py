"""The profile that a calibration writes is one that scenarios can name."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from edge_node.calibration.fit import Fit, Fitted, fit
from edge_node.calibration.measure import IDLE
from edge_node.calibration.profile import profile_text
from edge_node.calibration.reading import CalibrationError
from edge_node.energy.boards import load_board
from tests.edge_node.calibration.powers import SERVING, TRAINING, board

BASE = load_board("raspberry-pi-4b")
STEPS = {
    figure: board()[step].text
    for figure, step in {"static_w": IDLE, "busy_w": TRAINING, "effective_flop_per_s": TRAINING}.items()
}
READINGS = [power.text for power in board().values()]


def text_of(found: Fit) -> str:
    return profile_text("mine", "hwmon:/sys/x", date(2026, 11, 29), found, READINGS, STEPS, BASE)


def test_it_loads_with_sources_ends_and_the_day(tmp_path: Path) -> None:
    (path := tmp_path / "mine.toml").write_text(text_of(fit(board(), 4, TRAINING, [SERVING])))
    profile = load_board(str(path))
    assert profile.name == "mine"
    config = profile.config()
    assert (config.static_w, config.busy_w, config.effective_flop_per_s) == (2.0, 2.9, 1.5e9)
    busy = profile.figures["busy_w"]
    assert busy.source.startswith(
        "detabed calibrate with hwmon:/sys/x on 2026-11-29: training mnist-mlp: 2.9 W +- 0.02"
    )
    assert busy.range is not None
    assert (busy.range.low, busy.range.high) == (2.88, 2.92)
    assert "idle again: 2.01 W" in path.read_text()


def test_what_was_not_measured_says_so(tmp_path: Path) -> None:
    (path := tmp_path / "mine.toml").write_text(text_of(fit(board(), 4, TRAINING, [])))
    profile = load_board(str(path))
    for name in ("sleep_w", "wake_j", "wake_s"):
        assert profile.figures[name].value == BASE.figures[name].value
        assert profile.figures[name].source.startswith(
            "not measured (no actuator was given): that of raspberry-pi-4b: "
        )
    assert profile.figures["tx_j_per_byte"].source.startswith("not measured: that of raspberry-pi-4b: ")
    assert profile.config().storage_bytes == BASE.config().storage_bytes


def test_without_a_task_the_speed_is_not_measured(tmp_path: Path) -> None:
    (path := tmp_path / "mine.toml").write_text(text_of(fit(board(), 4, None, [])))
    speed = load_board(str(path)).figures["effective_flop_per_s"]
    assert speed.source.startswith("not measured: ")


def test_a_figure_without_an_interval_has_no_ends(tmp_path: Path) -> None:
    found = fit({step: replace(power, half_width_w=None) for step, power in board().items()}, 4, TRAINING, [])
    (path := tmp_path / "mine.toml").write_text(text_of(found))
    assert load_board(str(path)).figures["static_w"].range is None


def test_an_idle_power_below_the_other_boards_sleep_is_refused() -> None:
    found = fit(board(), 4, TRAINING, [])
    low = Fit({**found.figures, "static_w": Fitted(0.05, 0.04, 0.06)}, found.watts_per_core)
    with pytest.raises(
        CalibrationError, match=r"^sleep_w: not measured, .*0\.115 W, is above the idle power"
    ):
        text_of(low)
