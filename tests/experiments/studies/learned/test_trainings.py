"""Trainings that are judged: those that ship differ in their seed alone, and given ones are read from their folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from carbon_data.types import DataError
from coordinator.policies.learned.network import WEIGHTS, Network
from coordinator.policies.learned.policy import SHIPPED
from coordinator.policies.learned.record import beside
from experiments.studies.learned.trainings import SEEDS, trainings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """As a training writes it."""
    shutil.copy(SHIPPED, tmp_path / WEIGHTS)
    shutil.copy(beside(SHIPPED), beside(tmp_path / WEIGHTS))
    return tmp_path


def test_the_first_one_ships_and_the_others_differ_in_their_seed_alone() -> None:
    first, *others = trainings()
    assert (first.kind, first.name, first.weights) == ("ships", "seed 0", SHIPPED)
    assert len(others) == len(SEEDS) > 0
    assert len({each.sha256 for each in (first, *others)}) == 1 + len(others)
    assert len({each.record["seed"] for each in (first, *others)}) == 1 + len(others)
    for each in others:
        assert each.kind == "seed"
        assert each.weights.stem == f"seed-{each.record['seed']}"
        assert each.weights.stat().st_size < 100_000
        Network.read(each.weights)
        for name in (
            "algorithm",
            "settings",
            "steps",
            "worlds",
            "nodes",
            "zones",
            "days",
            "intensity",
            "observed",
        ):
            assert each.record[name] == first.record[name]


def test_weights_that_are_given_come_last_under_the_name_of_their_folder(folder: Path) -> None:
    last = trainings([folder])[-1]
    assert (last.kind, last.name, last.sha256) == ("given", str(folder), trainings()[0].sha256)


def test_folders_without_weights_and_given_twice_are_refused(folder: Path) -> None:
    with pytest.raises(DataError, match="give each once"):
        trainings([folder, folder / ".." / folder.name])
    with pytest.raises(DataError, match="no weights can be read"):
        trainings([folder / "other"])
    beside(folder / WEIGHTS).unlink()
    with pytest.raises(DataError, match="no record can be read"):
        trainings([folder])
