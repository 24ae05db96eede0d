"""The study: continuation after an interruption, exact repetition, figures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.case_study import measure
from experiments.studies.tree import fig4
from experiments.studies.tree import figures as draw_figures
from experiments.studies.tree.fig4 import reproduce_fig4, verdicts
from experiments.studies.tree.model import Discipline, Service, SleepMode, build_machine
from experiments.studies.tree.parameters import load_parameters
from experiments.studies.tree.settings import (
    REFERENCE,
    Background,
    Extent,
    Setting,
    grid,
    rates_per_s,
    study_settings,
)
from experiments.studies.tree.study import Cell, cell_key, run_cell, run_study
from experiments.studies.tree.tables import ablation_table, curves_table, matrix, parameters_table, pick

TINY = Extent(seeds=3, window_s=3.0, warmup_s=0.5)
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


def test_rates_leave_the_background_alone() -> None:
    parameters = load_parameters()
    results_rates = {}
    for service in Service:
        setting = Setting(service, Background.HEAVY)
        machine = build_machine(parameters, setting.discipline, setting.sleep)
        low, high = (rates_per_s(setting, machine, relative) for relative in (0.5, 2.0))
        assert high[service] == pytest.approx(4 * low[service])
        results_rates[service] = [r for s, r in zip(Service, low, strict=True) if s is not service]
        assert results_rates[service] == [r for s, r in zip(Service, high, strict=True) if s is not service]


@pytest.fixture(scope="module")
def curves(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    modes = [Setting(s, REFERENCE.background, REFERENCE.discipline, m) for m in SleepMode for s in Service]
    folder = tmp_path_factory.mktemp("study")
    return curves_table(run_study(folder, modes, replace(TINY, seeds=2), workers=1))


def test_curves_are_complete_and_finite(curves) -> None:  # type: ignore[no-untyped-def]
    rows = pick(curves, Setting(Service.VR, REFERENCE.background))
    assert matrix(rows, "ee_bit_per_j").shape == (2, len(grid(Service.VR)))
    always = [name for name in curves.columns if not name.endswith("delay_s")]
    assert not curves[always].isna().any().any()
    delivered = curves[["vr_delivered", "vu_delivered", "vg_delivered"]].to_numpy()
    delays = curves[["vr_delay_s", "vu_delay_s", "vg_delay_s"]].to_numpy()
    assert np.array_equal(delivered == 0, np.isnan(delays))  # a delay of nothing is missing, not zero


def test_sleeping_saves_power_and_never_costs_any_without_load(curves) -> None:  # type: ignore[no-untyped-def]
    table = ablation_table(curves)
    total = table[table["figure"] == "total_w"]
    none = total[total["sleep"] == "none"]
    assert (none["difference"] == 0).all()
    calm = total[(total["sleep"] == "joint") & (total["relative_rate"] < 0.3)]
    assert (calm["difference"] < 0).all()


def test_figures_are_drawn(curves, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    text = draw_figures.fig4(curves, REFERENCE.background, Discipline.VR_FIRST).svg()
    assert all(
        part in text for part in ("VR arrivals per second", "(b) VR swept", "TREE, α = 1e6", "raised clocks")
    )
    drawing = draw_figures.ablation(ablation_table(curves))
    drawing.save(tmp_path, drawing.svg())
    assert (tmp_path / "sleep-ablation.pdf").stat().st_size > 1000
    assert "power, W" in draw_figures.timeline(fig4._example(load_parameters()).series).svg()


def test_parameters_tell_choices_from_sources() -> None:
    table = parameters_table().set_index("parameter")
    assert not table.loc["es_sleep_w", "choice"]
    assert table.loc["subcarrier_hz", "choice"]
    assert (table["source"].str.len() > 10).all()


def test_fewer_than_ten_seeds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 10"):
        reproduce_fig4(tmp_path, seeds=9)


def test_the_benchmark_compares_before_it_reports() -> None:
    figures = measure(packets=2_000, repeats=1)
    assert figures["packets_delivered"] > 1_500
    assert figures["packets_per_minute_one_core"] > 0


@pytest.mark.long
def test_the_whole_reproduction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fig4, "QUICK", Extent(seeds=10, window_s=6.0, warmup_s=1.0))
    report = reproduce_fig4(tmp_path)
    assert len(report["claims"]) == 16
    for claim in report["claims"].values():
        assert claim["met_in"] + claim["not_met_in"] + claim["not_decidable_in"] == claim["settings"] <= 96
    # Alpha and the way of counting tokens cannot change figures without tokens.
    assert all(report["claims"][name]["settings"] <= 8 for name in ("VR2", "VR5", "VU6", "VG3", "VG5"))
    assert report["claims"]["VG2"]["settings"] > 8
    assert json.loads((tmp_path / "claims.json").read_text()) == report
    assert verdicts(report).row_count == 16
    assert all(Path(path).is_file() for path in (*report["tables"].values(), *report["figures"].values()))
    assert len(study_settings()) * 10 == len(list((tmp_path / "cells").iterdir()))
