"""Claims and checks of a study as people read them: a sentence, one figure beside the paper's, a small picture."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from experiments.report.claims.figure import ClaimFigure, Kind, between, finite
from experiments.report.claims.picture import EDGE, WIDTH, picture
from experiments.report.claims.shown import ClaimGroup, ShownClaim, own_checks, verdict_counts

GROWTH = ClaimFigure(
    "carbon over energy", Kind.FACTOR, 1.79, 1.7, 1.9, "lowest to highest of 3 seeds", 1.69, at_least=1.05
)


def places(figure: ClaimFigure) -> dict[str, float]:
    """Where the marks of a picture stand, in pixels."""
    text = str(picture(figure))
    found = {
        "ours": r'class="ours" cx="([\d.]+)"',
        "paper": r'class="paper" d="M([\d.]+)',
        "limit": r'class="limit" d="M([\d.]+)',
        "low": r'class="interval" d="M([\d.]+)',
        "high": r'class="interval" d="M[\d.]+ [\d.]+H([\d.]+)',
    }
    return {name: float(match[1]) for name, pattern in found.items() if (match := re.search(pattern, text))}


def test_figures_are_written_as_people_write_them() -> None:
    assert GROWTH.ours_text == "×\u202f1.79"
    assert GROWTH.interval_text == "×\u202f1.70 to ×\u202f1.90"
    assert GROWTH.wanted_text == "at least ×\u202f1.05"
    share = ClaimFigure("reduction", Kind.FRACTION, 0.749, at_least=-0.02, at_most=0.02)
    assert share.ours_text == "74.9\u202f%"
    assert share.wanted_text == "at least \u22122\u202f%, at most 2\u202f%"
    assert replace(share, ours=1.3e-6).ours_text == "0.0001\u202f%", "small is not nothing"
    assert replace(share, ours=-2e-7).ours_text == "\u22120.00002\u202f%"
    assert replace(share, ours=0.0).ours_text == "0.0\u202f%"
    exact = ClaimFigure("parameters", ours=203_530, at_least=203_530, at_most=203_530)
    assert exact.ours_text == "203\u202f530"
    assert exact.wanted_text.startswith("exactly")
    tiny = ClaimFigure("relative difference", ours=3.5e-10, at_most=1e-6)
    assert (tiny.ours_text, tiny.wanted_text) == ("3.50e\u221210", "at most 1e\u22126"), (
        "small is not nothing"
    )
    assert ClaimFigure("sum", ours=2e-15).ours_text == "0"
    assert ClaimFigure("rows").ours_text == "not computed"
    assert replace(GROWTH, low=None).interval_text == "\u2212∞ to ×\u202f1.90"
    assert ClaimFigure.from_dict(GROWTH.as_dict()) == GROWTH


def test_missing_and_infinite_are_never_drawn_as_numbers() -> None:
    with pytest.raises(ValueError, match="finite"):
        ClaimFigure("x", ours=float("nan"))
    assert finite(float("inf")) is None
    assert finite(None) is None
    assert between([2.0]) == {"ours": 2.0}
    assert between([1.0, 3.0]) == {"ours": 2.0, "low": 1.0, "high": 3.0}
    assert str(picture(ClaimFigure("x", at_least=1.0))) == ""


def test_marks_stand_in_the_order_of_their_values() -> None:
    at = places(GROWTH)
    assert EDGE <= at["limit"] < at["paper"] < at["low"] < at["ours"] < at["high"] <= WIDTH - EDGE
    open_below = places(replace(GROWTH, low=None))
    assert open_below["low"] == EDGE, "an open interval reaches the edge"
    assert "ours" not in places(replace(GROWTH, ours=None, low=None, high=None))
    kept = places(ClaimFigure("floor kept", Kind.FACTOR, 1.0 - 1e-9, at_least=1.0))
    assert kept["ours"] == kept["limit"], "rounding is no distance"


def test_what_stands_beside_ours() -> None:
    claim = ShownClaim("k", "It grows.", "met", GROWTH, "in words")
    assert claim.beside == "×\u202f1.69"
    assert replace(claim, figure=replace(GROWTH, paper=None)).beside == "words, no figure"
    assert replace(claim, figure=replace(GROWTH, paper=None), has_paper=False).beside == GROWTH.wanted_text
    groups = (ClaimGroup("", (claim, replace(claim, verdict="not decidable"), claim)),)
    assert verdict_counts(groups) == {"met": 2, "not decidable": 1}


def test_checks_become_sentences() -> None:
    check = {"statement": "errors grow", "verdict": "met", "ours": "by 3 %", "figure": GROWTH.as_dict()}
    ((group),) = own_checks({"grow": check, "given": {**check, "by_construction": "of the sum"}})
    assert [one.sentence for one in group.claims] == ["Errors grow."] * 2
    assert [one.note for one in group.claims] == ["", "by construction"]
    assert ("By construction", "of the sum") in group.claims[1].folded
