"""Dynamic partition: which option to run as the link changes, with hysteresis. Pure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_node.splitting.controller import Objective, Option, Rules, Scene, State, best, decide
from edge_node.splitting.energy import AccessPoint, Link, Server, Split
from edge_node.splitting.parameters import default_terminal

SCENE = Scene(default_terminal(), Server(5e10, 57.0), AccessPoint(2.0))
OPTIONS = {
    "local": Option("local", Split(4e6, 0.0, 0.0, 0.0), 0.97),
    "full": Option("full", Split(0.0, 4e6, 2304.0, 40.0), 0.97),
    "partial": Option("partial", Split(3e5, 3.7e6, 600.0, 40.0), 0.94),
}


@given(st.floats(1e4, 1e8), st.sampled_from(list(Objective)), st.floats(0.001, 1.0))
def test_best_is_feasible_and_cheapest(rate: float, objective: Objective, deadline: float) -> None:
    rules = Rules(objective=objective, deadline_s=deadline, least_accuracy_fraction=0.95)
    link = Link(rate, rate)
    name = best(OPTIONS, SCENE, link, rules)
    assert OPTIONS[name].accuracy_fraction >= 0.95
    costs = {n: SCENE.cost(o.split, link) for n, o in OPTIONS.items() if o.accuracy_fraction >= 0.95}
    timely = {n: c for n, c in costs.items() if c.latency_s <= deadline}
    if timely:
        assert name in timely
        values = {
            n: c.terminal_j if objective is Objective.TERMINAL else c.system_j for n, c in timely.items()
        }
        assert values[name] == min(values.values())
    else:
        assert costs[name].latency_s == min(c.latency_s for c in costs.values())


@given(st.lists(st.floats(1e5, 2e7), min_size=1, max_size=60), st.integers(1, 6))
def test_hold_spaces_changes(rates: list[float], hold: int) -> None:
    rules = Rules(margin_fraction=0.05, hold=hold)
    state, since = State("local"), 0
    for rate in rates:
        then = decide(state, OPTIONS, SCENE, Link(rate, rate), rules)
        since += 1
        if then.current != state.current:
            assert since >= hold
            since = 0
        state = then


def test_one_good_moment_changes_nothing_but_a_good_link_does() -> None:
    rules = Rules(margin_fraction=0.1, hold=3)
    poor, good = Link(5e4, 5e4), Link(2e7, 2e7)
    state = State("local")
    for link in (poor, good, poor, good, good, poor):
        state = decide(state, OPTIONS, SCENE, link, rules)
        assert state.current == "local"
    for _ in range(3):
        state = decide(state, OPTIONS, SCENE, good, rules)
    assert state.current != "local"


def test_a_missed_deadline_changes_at_once() -> None:
    rules = Rules(deadline_s=0.05, hold=10)
    state = decide(State("full"), OPTIONS, SCENE, Link(1e5, 1e5), rules)
    assert state.current == "local"
    with pytest.raises(ValueError, match="lower the bound"):
        best(OPTIONS, SCENE, Link(1e5, 1e5), Rules(least_accuracy_fraction=0.99))
