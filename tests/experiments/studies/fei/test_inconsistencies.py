"""Inconsistencies of the paper (methods.md section 8), each with the paper's figures and ours recomputed."""

from __future__ import annotations

import pytest

from experiments.studies.fei import inconsistencies, placement


def test_zones_on_grids_that_are_not_connected_are_said_to_be() -> None:
    assert "not connected: 1 in the western and 1 in the eastern" in inconsistencies.grids(
        ("US-NW-SCL", "US-MIDA-PJM")
    )
    assert inconsistencies.grids(("US-NW-SCL", "US-SW-AZPS")) == (
        "all 2 zones lie in the western interconnection of the US"
    )
    assert "not checked" in inconsistencies.grids(("DE", "FR"))


def test_every_inconsistency_of_the_paper_is_stated() -> None:
    notes = inconsistencies.table(placement.intensities(), None)
    assert list(notes["note"]) == list(range(1, 10))
    text = " ".join(notes["ours"])
    for figure in ("199,210", "85,822", "50.2943", "63.9", "57", "8.54"):
        assert figure in text, figure


def test_implied_intensities_climb_as_the_notes_say() -> None:
    implied = inconsistencies.implied_g_per_kwh().set_index(["model", "servers"])["implied_g_per_kwh"]
    assert implied["MLP", 11] == pytest.approx(329, abs=1)
    assert implied["CNN", 11] == pytest.approx(253, abs=1)
    assert implied["LSTM", 11] == pytest.approx(307, abs=1)
