"""The runs whose disclosure is tested."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from experiments.report.lifecycle.embodied import Embodied, embodied
from experiments.report.lifecycle.factors import Factors
from experiments.report.lifecycle.setting import setting_of
from experiments.report.read import Run, load
from tests.experiments.report.by_hand import make_run, with_network


@pytest.fixture(scope="session")
def run(small_comparison: Path) -> Run:
    """A real run of every stage."""
    return load(small_comparison / "deta-s0").any_run


@pytest.fixture(scope="session")
def made(run: Run) -> Embodied:
    return embodied(setting_of(run), Factors())


@pytest.fixture
def by_hand() -> Run:
    """Two nodes, a slot of development and one of application."""
    hand = with_network(make_run())
    slots = hand.tables["slots"].assign(
        stage=lambda frame: frame["slot"].map({0: "development", 1: "application"})
    )
    return replace(hand, tables={**hand.tables, "slots": slots})
