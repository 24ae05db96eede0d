"""The study: continuation after an interruption, exact repetition, figures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from experiments.studies.tree.model import Service
from experiments.studies.tree.parameters import load_parameters
from experiments.studies.tree.settings import (
    Background,
    Extent,
    Setting,
    grid,
)
from experiments.studies.tree.study import Cell, cell_key, run_cell, run_study
from tests.experiments.studies.tree.sizes import TINY

PAIR = [Setting(Service.VG, Background.LIGHT), Setting(Service.VU, Background.MEDIUM)]


def test_an_interrupted_study_computes_only_what_is_missing(tmp_path: Path) -> None:
    first = run_study(tmp_path, PAIR, TINY, workers=1)
    assert (first.computed, first.reused) == (6, 0)
    cells = sorted((tmp_path / "cells").iterdir())
    assert len(cells) == 6
    before = {path.name: path.read_bytes() for path in cells}
    for path in cells[:2]:
        path.unlink()
    second = run_study(tmp_path, PAIR, TINY, workers=1)
    assert (second.computed, second.reused) == (2, 4)
    assert {path.name: path.read_bytes() for path in (tmp_path / "cells").iterdir()} == before
    assert second.points == first.points


def test_processes_give_what_one_process_gives(tmp_path: Path) -> None:
    alone = run_study(tmp_path / "one", PAIR[:1], TINY, workers=1)
    together = run_study(tmp_path / "two", PAIR[:1], TINY, workers=2)
    assert alone.points == together.points


def test_the_key_changes_with_everything_the_result_depends_on() -> None:
    parameters = load_parameters()
    cell = Cell(PAIR[0], 0, TINY)
    keys = {
        cell_key(cell, parameters),
        cell_key(replace(cell, seed=1), parameters),
        cell_key(replace(cell, setting=PAIR[1]), parameters),
        cell_key(replace(cell, extent=replace(TINY, window_s=4.0)), parameters),
        cell_key(cell, replace(parameters, vr_buffer_packets=31.0)),
    }
    assert len(keys) == 5
    assert (
        cell_key(replace(cell, extent=replace(TINY, seeds=9)), parameters) in keys
    )  # more seeds reuse the old


def test_saturation_is_where_the_grid_says() -> None:
    """Slightly below one the bottleneck loses nothing for long; well above, it is always busy."""
    parameters = load_parameters()
    for service in Service:
        setting = Setting(service, Background.MEDIUM)
        points = run_cell(Cell(setting, 0, Extent(1, 120.0, 10.0)), parameters)
        at = dict(zip(grid(service), points, strict=True))
        assert sum(at[0.5].dropped) == 0
        lost = at[2.0].dropped[service] / at[2.0].arrived[service]
        assert 0.3 < lost < 0.7
