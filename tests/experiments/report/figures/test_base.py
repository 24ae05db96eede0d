"""A figure of the report: a matplotlib figure with a caption, an alternative text, and its"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.report.figures import draw_all
from experiments.report.figures.base import PercentTicks, new_figure, percent_axis, spread_labels
from experiments.report.figures.look import look
from experiments.report.read import load


@given(st.lists(st.floats(0, 100), min_size=1, max_size=15))
def test_labels_never_overlap_and_keep_their_order(positions: list[float]) -> None:
    moved = spread_labels(positions, 3.0, 0.0)
    by_place = sorted(range(len(moved)), key=lambda k: moved[k])
    assert all(moved[b] - moved[a] >= 3.0 - 1e-6 for a, b in pairwise(by_place))
    assert min(moved) >= -1e-9
    for a in range(len(moved)):
        for b in range(len(moved)):
            if positions[a] < positions[b]:
                assert moved[a] < moved[b]


def test_figures_drawn_once_are_those_that_matplotlib_saves(
    make_compare: Callable[..., Path], tmp_path: Path
) -> None:
    study = load(make_compare(("local", "deta"), (0,)))
    ours, theirs = (draw_all(study)[::4] for _ in range(2))
    assert len(ours) > 3
    for one, other in zip(ours, theirs, strict=True):
        dpi, canvas = one.figure.dpi, one.figure.canvas
        svg = one.svg()
        one.save(tmp_path, svg)
        assert (one.figure.dpi, one.figure.canvas) == (dpi, canvas)
        with look():
            for suffix, metadata in (
                ("svg", {"Date": None}),
                ("pdf", {"CreationDate": None, "Producer": None}),
            ):
                path = tmp_path / f"saved.{suffix}"
                other.figure.savefig(path, metadata={**metadata, "Creator": None})
                assert path.read_bytes() == (tmp_path / f"{one.name}.{suffix}").read_bytes()
                other.figure.set_layout_engine("none")


@pytest.mark.parametrize(
    ("ticks", "texts"),
    [
        ([0.0, 0.5, 1.0], ["0%", "50%", "100%"]),
        ([0.875, 0.9, 0.925], ["87.5%", "90.0%", "92.5%"]),
        ([-0.0025, 0.0], ["\N{MINUS SIGN}0.25%", "0.00%"]),
        ([-0.1, 0.0], ["\N{MINUS SIGN}10%", "0%"]),
    ],
)
def test_ticks_in_percent_are_not_rounded(ticks: list[float], texts: list[str]) -> None:
    assert PercentTicks().format_ticks(ticks) == texts


def test_ticks_outside_of_the_picture_ask_for_no_decimals() -> None:
    with look():
        axes = new_figure(2.0).subplots()
    axes.set_yscale("log")
    axes.set_ylim(0.009, 2.0)
    percent_axis(axes.yaxis)
    axes.figure.canvas.draw()
    shown = [label.get_text() for label in axes.get_yticklabels() if 0.009 <= label.get_position()[1] <= 2.0]
    assert shown == ["1%", "10%", "100%"]
