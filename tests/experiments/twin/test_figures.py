"""Figures of a twin with little and with much to show."""

from __future__ import annotations

import pandas as pd

from experiments.twin.errors import ALL, by_node_and_activity
from experiments.twin.figures import (
    NODES_AT_MOST,
    POINTS_AT_MOST,
    energy_by_window,
    error_by_node,
    time_by_node,
)
from tests.experiments.twin.made import window

NAMES = {node: f"{node} · DE" for node in ("n0", *(f"n{k:02}" for k in range(NODES_AT_MOST + 6)))}


def test_points_are_the_windows_and_their_intervals() -> None:
    drawing = energy_by_window(
        [window(), window(slot=1, half_width_uj=None, activity="idle", measured_uj=100)]
    )
    assert list(drawing.data["measured_j"]) == [3.0, 0.0001]
    assert drawing.data["half_width_j"].isna().tolist() == [False, True]
    assert drawing.figure.axes[0].get_xscale() == "log"
    assert "<svg" in drawing.svg()


def test_equal_windows_of_nothing_are_drawn() -> None:
    drawing = energy_by_window([window(measured_uj=0, twin_uj=0)])
    assert drawing.figure.axes[0].get_xscale() == "linear"
    assert "<svg" in drawing.svg()


def test_of_many_windows_some_are_drawn_and_said() -> None:
    drawing = energy_by_window([window(slot=slot) for slot in range(2 * POINTS_AT_MOST + 1)])
    assert len(drawing.data) <= POINTS_AT_MOST
    assert drawing.caption.endswith("One in 3 of 3001 windows is drawn.")


def test_of_many_nodes_those_that_err_most_are_shown() -> None:
    windows = [window(f"n{k:02}", twin_uj=3_000_000 + 1_000 * k) for k in range(NODES_AT_MOST + 6)]
    drawing = error_by_node(by_node_and_activity(windows), NAMES)
    shown = list(dict.fromkeys(drawing.data["node_id"]))
    assert set(shown) == {ALL, *(f"n{k:02}" for k in range(6, NODES_AT_MOST + 6))}
    assert f"The {NODES_AT_MOST} of {NODES_AT_MOST + 6} nodes that err most." in drawing.caption
    whole = drawing.data[(drawing.data["node_id"] == ALL) & (drawing.data["activity"] == ALL)]
    assert pd.notna(whole["half_width_fraction"]).all()
    assert "n29 · DE" in drawing.svg()


def test_times_are_drawn_where_any_is_measured() -> None:
    assert time_by_node(by_node_and_activity([window(window_s=None)]), NAMES) is None
    drawing = time_by_node(by_node_and_activity([window(busy_s=0.4)]), NAMES)
    assert drawing is not None
    assert "<svg" in drawing.svg()
