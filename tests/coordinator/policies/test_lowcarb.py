"""Lowcarb: select the nodes whose intensity will improve least in a window that grows with past"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from coordinator.market.instances import reference_day
from coordinator.policies.lowcarb import forecast_windows, lowcarb_scores
from coordinator.policies.registry import traits_of
from tests.coordinator.policies.fleets import chosen, fleet_of


def test_lowcarb_windows_grow_with_participation() -> None:
    # 2 p / p_max - 1 of 0, 5, 8, 10 rounds: 0 (below half), 0, 0.6, 1 of ten slots
    assert forecast_windows(np.array([0, 5, 8, 10]), 10).tolist() == [0, 0, 6, 10]
    assert forecast_windows(np.array([0, 0]), 7).tolist() == [7, 7]


def test_lowcarb_scores_by_hand() -> None:
    intensity = np.array(
        [
            [200.0, 50.0, 10.0],  # window 0: in any case
            [
                100.0,
                150.0,
                90.0,
            ],  # window 0 as well, cleaner, and yet after node 0: they tie, as in the original
            [300.0, 280.0, 100.0],  # window 1: 280 - 300 = -20
            [300.0, 400.0, 250.0],  # window 2: min(100, -50) = -50
            [10.0, 10.0, 10.0],  # above the 80th percentile of participation: last
        ]
    )
    count = np.array([0, 2, 6, 8, 8])
    scores = lowcarb_scores(intensity, count, 2)
    assert scores[0] == scores[1] > 1e18
    assert scores[2:].tolist() == [-20.0, -50.0, -50.0 + 50.0]
    # the percentile is of participation itself: with one node far ahead only that one is left out
    ahead = lowcarb_scores(intensity, np.array([0, 2, 6, 8, 20]), 2)
    assert ahead[4] == -np.inf
    # of 22 nodes with 0 to 21 rounds those above 16.8
    many = lowcarb_scores(np.full((22, 2), 100.0), np.arange(22), 1)
    assert np.isneginf(many).tolist() == [False] * 17 + [True] * 5
    fleet = fleet_of([1.0] * 5)
    fleet = replace(
        reference_day(3, nodes=5), intensity_g_per_kwh=intensity, participations=np.array([0, 2, 6, 8, 20])
    )
    assert chosen(fleet, "lowcarb", clients=2, forecast_slots=2) == [0, 1]


def test_lowcarb_looks_as_far_as_it_is_told_and_can() -> None:
    """Before the first participation every window is the longest. One slot ahead node 1 improves least, two ahead node
    0."""
    intensity = np.array([[100.0, 50.0, 90.0], [100.0, 60.0, 20.0]])
    fleet = replace(
        reference_day(3, nodes=2), intensity_g_per_kwh=intensity, participations=np.zeros(2, dtype=np.int64)
    )
    assert chosen(fleet, "lowcarb", clients=1, forecast_slots=1) == [1]
    assert chosen(fleet, "lowcarb", clients=1, forecast_slots=2) == [0]
    # half of the longest window, which is what is known: 1 of 2 slots for node 1, and 2 of 2 for node 0
    half = replace(
        reference_day(3, nodes=3),
        intensity_g_per_kwh=np.vstack([intensity, [100.0, 10.0, 10.0]]),
        participations=np.array([4, 3, 4]),
    )
    assert chosen(half, "lowcarb", clients=1, forecast_slots=12) == [1]
    assert traits_of("lowcarb").wanted_horizon(0) == 13
    assert traits_of("lowcarb", forecast_slots=4).wanted_horizon(0) == 5


def test_nodes_without_a_window_tie_up_to_512_grams_and_the_dirtier_comes_last_beyond() -> None:
    """2**63 - 1000 is a double below 2**63, 2**63 - 500 is 2**63."""
    count = np.array([1, 1, 4])
    assert forecast_windows(count, 2).tolist() == [0, 0, 2]
    for intensity, order in (([400.0, 100.0], [0, 1]), ([1000.0, 100.0], [1, 0])):
        scores = lowcarb_scores(np.array([[c, c, c] for c in (*intensity, 50.0)]), count, 2)
        assert np.argsort(-scores[:2], kind="stable").tolist() == order
