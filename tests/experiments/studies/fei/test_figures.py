"""Figures 3 and 4 and the ratios, from invented trainings."""

from __future__ import annotations

import pytest

from experiments.report.figures.base import Drawing
from experiments.studies.fei import fig4, figures, placement
from experiments.studies.fei.table1 import by_seed, table
from tests.experiments.studies.fei.outcomes import outcomes


@pytest.mark.parametrize("count", [1, 3])
def test_figures_say_whether_they_show_the_spread_over_seeds(count: int) -> None:
    world = placement.intensities()
    seeded = {seed: outcomes(seed) for seed in range(count)}
    frame, seeds = table(seeded[0], {}, world), by_seed(seeded, world)
    shares, again = fig4.shares(fig4.table(seeded[0], world)), fig4.by_seed(seeded, world)
    drawn: list[Drawing] = [
        figures.fig3(frame, seeds),
        figures.ratios(frame, seeds),
        figures.fig4(shares, again),
        figures.fig4(shares, again, fig4.PAPER_STAGES),
    ]
    for one in drawn:
        assert ("range of 3 seeds" in one.caption) == (count == 3)
        assert ("One training seed" in one.caption) == (count == 1)
        assert "</svg>" in one.svg()
    legend = [text.get_text() for text in drawn[2].figure.legends[0].get_texts()]
    assert legend[0].startswith("preparation (")
    assert len(legend) == 4
    assert len(drawn[3].figure.legends[0].get_texts()) == 3
    assert (drawn[2].name, drawn[3].name) == ("fig4", "fig4-three-stages")
