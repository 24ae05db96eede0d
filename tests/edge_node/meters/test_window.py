"""Joules of a window from a board's power model, with static power attributed as in (L2) of methods.md."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_data.units import to_micro
from edge_node.energy.power_model import PowerModel
from edge_node.meters.base import Slot, spread
from edge_node.meters.window import Window
from protos.messages.terms import Component, Stage
from tests.edge_node.meters.recordings import BOARD


@given(
    st.lists(st.tuples(st.sampled_from(list(Stage)), st.floats(0, 3e7), st.booleans()), max_size=6),
    st.integers(0, 10**12),
    st.floats(0.001, 100),
    st.booleans(),
)
def test_attributed_and_unallocated_add_up_to_what_was_metered(
    works: list[tuple[Stage, float, bool]], total_uj: int, duration_s: float, woke: bool
) -> None:
    model, window = PowerModel(BOARD), Window()
    for stage, flop, wasted in works:
        window.work(stage, model.busy_s(flop), model.compute_j(flop), wasted)
    slot = Slot(0, Stage.DEVELOPMENT, awake=True, woke=woke)
    assert sum(window.measured_uj(total_uj, model, slot, duration_s).values()) == total_uj
    modelled = window.modelled_uj(model, slot, duration_s)
    static = sum(energy for (_, component), energy in modelled.items() if component is Component.STATIC)
    busy_s = sum(model.busy_s(flop) for _, flop, _ in works)
    assert static == pytest.approx(2e6 * max(duration_s, busy_s), abs=1)


@given(st.integers(0, 10**15), st.lists(st.floats(0, 1e9), min_size=1, max_size=8))
def test_spreading_loses_nothing(total_uj: int, weights: list[float]) -> None:
    parts = spread(total_uj, weights)
    assert sum(parts) == total_uj
    assert all(part >= 0 for part in parts)


def test_the_seconds_until_a_board_slept_are_static() -> None:
    """3 of 10 s at 2 W: 6 J; what was read beyond is sleep. A total below that is static altogether."""
    model, window = PowerModel(BOARD), Window()
    slot = Slot(0, Stage.DEVELOPMENT, awake=False, woke=False, awake_s=3.0)
    static, asleep = (Stage.UNALLOCATED, Component.STATIC), (Stage.UNALLOCATED, Component.SLEEP)
    assert window.measured_uj(9_000_000, model, slot, 10.0) == {static: 6_000_000, asleep: 3_000_000}
    assert window.measured_uj(5_000_000, model, slot, 10.0) == {static: 5_000_000, asleep: 0}


@given(
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.floats(0, 100),
    st.lists(st.floats(0, 1e7), max_size=3),
)
def test_a_wake_up_that_was_read_is_booked_above_static(
    total_uj: int, wake_uj: int, wake_s: float, works: list[float]
) -> None:
    model, window = PowerModel(BOARD), Window()
    for flop in works:
        window.work(Stage.DEVELOPMENT, model.busy_s(flop), model.compute_j(flop), wasted=False)
    slot = Slot(0, Stage.DEVELOPMENT, awake=True, woke=True, wake_s=wake_s, wake_uj=wake_uj)
    found = window.measured_uj(total_uj, model, slot, 100.0)
    assert sum(found.values()) == total_uj
    above = min(total_uj, max(0, wake_uj - to_micro(BOARD.static_w * wake_s)))
    assert found[Stage.DEVELOPMENT, Component.WAKE] == above


@given(st.floats(0, 60), st.integers(0, 5), st.booleans(), st.floats(0, 3e7))
def test_sleep_between_batches_takes_the_place_of_static_power(
    asleep_s: float, wakes: int, woke: bool, flop: float
) -> None:
    model, window = PowerModel(BOARD), Window()
    window.work(Stage.APPLICATION, model.busy_s(flop), model.compute_j(flop), False)
    slot = Slot(0, Stage.APPLICATION, awake=True, woke=woke, asleep_s=asleep_s, wakes=wakes)
    found = window.modelled_uj(model, slot, 60.0)
    static_uj = sum(energy for (_, component), energy in found.items() if component is Component.STATIC)
    awake_s = max(60.0 - asleep_s, model.busy_s(flop))
    assert static_uj == pytest.approx(1e6 * BOARD.static_w * awake_s, abs=2)
    assert found[Stage.UNALLOCATED, Component.SLEEP] == to_micro(BOARD.sleep_w * asleep_s)
    assert found[Stage.APPLICATION, Component.WAKE] == to_micro(BOARD.wake_j * (wakes + woke))
