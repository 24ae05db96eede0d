"""A walk away from the access point and back: the link changes, the partition follows it."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_node.energy.boards import load_board
from edge_node.splitting.controller import Option, Rules, Scene
from edge_node.splitting.energy import Split
from edge_node.splitting.parameters import DEFAULT_BOARD, load_parameters
from experiments.studies.terminal.walk import EAGER, HYSTERESIS, ORACLE, cost_of_plans, draw_walk, plan

PARAMETERS = load_parameters()
SCENE = Scene(PARAMETERS.terminal(load_board(DEFAULT_BOARD)), PARAMETERS.server(), PARAMETERS.access_point())
OPTIONS = {
    "local": Option("local", Split(4e6, 0.0, 0.0, 0.0), 0.97),
    "full": Option("full", Split(0.0, 4e6, 2319.0, 55.0), 0.97),
    "cut": Option("cut", Split(4e5, 3.6e6, 599.0, 55.0), 0.96),
    "poor": Option("poor", Split(1e5, 3.6e6, 99.0, 55.0), 0.5),
}
RULES = Rules(deadline_s=0.1, least_accuracy_fraction=0.95)


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1))
def test_plans_are_ordered_as_they_must_be(seed: int) -> None:
    walk = draw_walk(PARAMETERS, 60, seed)
    plans = plan(walk, OPTIONS, SCENE, RULES)
    frames, totals = cost_of_plans(walk, plans, OPTIONS, SCENE, RULES.deadline_s)
    by_way = totals.set_index("way")
    assert "poor" not in plans
    assert len(frames) == 60 * len(plans)
    assert by_way.loc[HYSTERESIS, "changes"] <= by_way.loc[EAGER, "changes"]
    on_time = by_way[by_way["late_frames"] == 0]
    if by_way.loc[ORACLE, "late_frames"] == 0:
        assert by_way.loc[ORACLE, "terminal_j"] <= on_time["terminal_j"].min() + 1e-12
    assert np.allclose(frames.groupby("way")["terminal_j"].sum(), by_way["terminal_j"].sort_index())
