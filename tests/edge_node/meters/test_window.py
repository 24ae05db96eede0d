"""Joules of a window from a board's power model, with static power attributed as in (L2) of methods.md."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
