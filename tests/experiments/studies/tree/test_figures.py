"""Figures of the case study: the four panels, the map of verdicts, the ablations of sleep, power over time."""

from __future__ import annotations

from pathlib import Path

from experiments.studies.tree import fig4
from experiments.studies.tree import figures as draw_figures
from experiments.studies.tree.model import Discipline
from experiments.studies.tree.parameters import load_parameters
from experiments.studies.tree.settings import (
    REFERENCE,
)
from experiments.studies.tree.tables import ablation_table


def test_figures_are_drawn(curves, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    text = draw_figures.fig4(curves, REFERENCE.background, Discipline.VR_FIRST).svg()
    assert all(
        part in text for part in ("VR arrivals per second", "(b) VR swept", "TREE, α = 1e6", "raised clocks")
    )
    drawing = draw_figures.ablation(ablation_table(curves))
    drawing.save(tmp_path, drawing.svg())
    assert (tmp_path / "sleep-ablation.pdf").stat().st_size > 1000
    assert "power, W" in draw_figures.timeline(fig4.worked_example(load_parameters()).series).svg()
