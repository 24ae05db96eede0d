"""The benchmark of LOCAL's energy beside vessim's, without running it; beside vessim: tests/contract/test_vessim.py."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from benchmarks import energy
from experiments.resolve.resolve import resolve
from experiments.scenario.model import parse_scenario


def test_columns_and_books_of_a_scenario_are_one_system() -> None:
    resolved = resolve(parse_scenario(energy.scenario_text(20, 30)))
    given = energy.system(resolved)
    assert given.load_j.shape == given.harvest_j.shape == (30, 20)
    found = given.energy()
    assert (found.discharge_j > 0).any()
    assert (found.curtailed_j > 0).any()
    booked, taken_s = energy.booked_grid_j(resolved)
    assert taken_s > 0
    assert energy.uj_a_slot(booked, found.grid_j) <= energy.UJ_A_SLOT
    assert energy.relative(booked, found.grid_j) < 1e-9


def test_differences_are_of_the_worst_node_and_slot() -> None:
    other = np.array([[2.0, 4.0], [2.0, 0.0]])
    assert energy.relative(other + np.array([[0.0, 0.2], [0.0, 0.0]]), other) == pytest.approx(0.1)
    # 4 uJ more in the first slot are made up for in the second, but for one
    booked = other + 1e-6 * np.array([[0.0, 4.0], [0.0, -3.0]])
    assert energy.uj_a_slot(booked, other) == pytest.approx(4.0)
    assert energy.uj_a_slot(booked[::-1], other[::-1]) == pytest.approx(3.0)


def test_without_vessim_its_goals_are_deferred_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(energy, "SIZES", {10: 24})
    monkeypatch.setattr(energy, "LEAST_S", 1e-3)
    said: list[str] = []
    found = energy.run(True, said.append)
    assert found["goals"] == {}
    assert found["deferred"] == [
        "local_over_vessim_10",
        "grid_before_booking_relative",
        "grid_after_booking_uj_a_slot",
    ]
    assert "peers" in found["figures"]["vessim"]
    assert said == ["10 nodes x 24 slots"]
