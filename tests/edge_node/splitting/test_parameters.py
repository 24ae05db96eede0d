"""Parameters of (E1)-(E3), every one with its source, and what follows from them."""

from __future__ import annotations

import pytest

from edge_node.energy.boards import load_board
from edge_node.splitting.parameters import default_terminal, load_figures, load_parameters


def test_packaged_parameters_reproduce_the_boards_power() -> None:
    terminal = default_terminal()
    figures = load_board("raspberry-pi-4b").figures
    busy = terminal.j_per_flop * terminal.flop_per_s
    assert busy == pytest.approx(figures["busy_w"].value - figures["static_w"].value)
    assert terminal.flop_per_s == pytest.approx(figures["effective_flop_per_s"].value)


def test_every_packaged_figure_has_a_source() -> None:
    assert all(figure.source for figure in load_figures().values())


def test_rate_falls_with_distance() -> None:
    parameters = load_parameters()
    found = [parameters.link(d).up_bit_per_s for d in (50.0, 200.0, 800.0, 2000.0)]
    assert found == sorted(found, reverse=True)
    with pytest.raises(ValueError, match="distance_m"):
        parameters.link(0.0)
