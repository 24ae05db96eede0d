"""Outlines from TopoJSON."""

from __future__ import annotations

import pytest

from experiments.report.figures.build_outlines import build, main


def test_arcs_are_sums_of_differences_in_degrees() -> None:
    built = build(
        {
            "transform": {"scale": [0.5, 0.25], "translate": [-180, -90]},
            "arcs": [[[0, 0], [2, 4]], [[10, 20], [1, 0], [0, 1]]],
        }
    )
    assert built["starts"].tolist() == [0, 2]
    assert built["points"][:2].tolist() == [[-18000, -9000], [-17900, -8900]]
    assert built["points"][4].tolist() == [-17450, -8475]


def test_without_a_file_it_says_what_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "world-atlas" in capsys.readouterr().out
