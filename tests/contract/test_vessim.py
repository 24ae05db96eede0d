"""LOCAL beside vessim, another simulator: the same grid energy of every node and slot, before it is booked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.energy import System, Vessim

WH = 3600.0


@st.composite
def systems(draw: st.DrawFn) -> System:
    """Fleets that both model alike: batteries without losses or limits of power. Every corner of a node is drawn:
    no harvest, a battery that is empty, full or far too small, hours of more harvest than load."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    nodes, slots = draw(st.integers(1, 5)), draw(st.integers(2, 48))
    scale_wh = 10.0 ** rng.uniform(-3.0, 3.0, nodes)
    harvests = rng.random((slots, nodes)) < rng.random(nodes)
    capacity_j = WH * scale_wh * 10.0 ** rng.uniform(-2.0, 1.5, nodes)
    return System(
        load_j=WH * scale_wh * rng.uniform(0.05, 1.0, (slots, nodes)),
        harvest_j=WH * scale_wh * harvests * rng.uniform(0.0, 3.0, (slots, nodes)),
        capacity_j=capacity_j,
        stored_j=capacity_j * rng.choice([0.0, 0.3, 1.0], nodes),
    )


@pytest.fixture(scope="module")
def vessim() -> Vessim:
    return Vessim()


@settings(max_examples=60, deadline=None)
@given(given_=systems())
def test_grid_energy_is_equal_to_1e_12(vessim: Vessim, given_: System) -> None:
    ours, theirs = given_.energy().grid_j, vessim.grid_j(given_)
    scale_j = np.maximum(given_.load_j.max(axis=0), given_.capacity_j)
    assert (np.abs(ours - theirs) / scale_j).max() <= 1e-12
