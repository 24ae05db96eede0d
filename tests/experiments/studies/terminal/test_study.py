"""Sequences, plans and the whole study at a tiny extent."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_node.energy.boards import load_board
from edge_node.splitting.controller import Option, Rules, Scene
from edge_node.splitting.energy import Split
from edge_node.splitting.parameters import DEFAULT_BOARD, load_parameters
from edge_node.tasks.data import images
from experiments.studies.terminal import study
from experiments.studies.terminal.frames import moving_digits, scattered
from experiments.studies.terminal.settings import QUICK
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


def test_frames_are_reproducible_and_hold_the_digit() -> None:
    digits = images.load("digits").test["images"][:20]
    a, b = scattered(digits, 3), scattered(digits, 3)
    assert np.array_equal(a, b)
    assert a.shape == (20, 1, 48, 48)
    assert not np.array_equal(a, scattered(digits, 4))
    # The digit is brighter than any background: all of its bright pixels are in the frame.
    bright = (digits > 150).sum(axis=(1, 2, 3))
    assert np.all((a > 100).sum(axis=(1, 2, 3)) >= 0.9 * bright)


def test_an_ideal_camera_changes_only_where_the_digit_moves() -> None:
    source = images.load("digits").test
    video = moving_digits(source["images"], source["labels"], 48, 0, noise_grey=0.0, light_grey=0.0)
    changed = [(a != b).mean() for a, b in pairwise(video.frames)]
    assert 0.0 in changed
    assert 0.0 < max(changed) < 0.5
    noisy = moving_digits(source["images"], source["labels"], 48, 0, noise_grey=3.0, light_grey=2.0)
    assert np.array_equal(noisy.labels, video.labels)
    assert min((a != b).mean() for a, b in pairwise(noisy.frames)) > 0.2


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


@pytest.mark.e2e
def test_the_study_runs_and_repeats_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(study, "QUICK", QUICK.__class__("digits", 96, 24, 1, 1, 1, 24, 12, 1))
    first = study.reproduce_terminal(tmp_path / "a", False, None)
    monkeypatch.setattr(study, "_figures", lambda *arguments: [])
    second = study.reproduce_terminal(tmp_path / "b", False, None)
    for verdict in ("exact-cuts", "bytes", "incremental-exact", "both-ways"):
        assert first["checks"][verdict]["verdict"] == "met"
    assert first["checks"] == second["checks"]
    # No paper states them: nothing of the study calls them claims.
    assert "claims" not in first
    said = {name for name, check in first["checks"].items() if "by_construction" in check}
    assert said == {"exact-cuts", "incremental-exact"}
    for name, path in first["tables"].items():
        assert Path(path).read_bytes() == Path(second["tables"][name]).read_bytes(), name
    for name, path in first["figures"].items():
        assert Path(path).is_file()
        assert Path(path).with_suffix(".pdf").is_file()
        assert Path(path).with_suffix(".png").is_file(), name
    table = pd.read_csv(first["tables"]["mechanisms"])
    assert (table["system_j"] >= table["terminal_j"]).all()
    sent = table[(table["workload"] == "images") & (table["mechanism"] != "dynamic partition")]
    assert sent.groupby("option")["up_bytes"].nunique().max() == 1
    report = json.loads((tmp_path / "a" / "checks.json").read_text())
    assert report["models"] == json.loads((tmp_path / "b" / "checks.json").read_text())["models"]
    page = Path(first["page"]).read_text()
    assert "<svg" in page
    assert "claim" not in page.lower()
    assert "http://" not in page.replace("http://www.w3.org", "")
