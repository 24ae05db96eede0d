"""A check of the project's own, judged."""

from __future__ import annotations

import pytest

from experiments.report.claims.figure import ClaimFigure
from experiments.studies.verdict import check


@pytest.mark.parametrize(("met", "verdict"), [(True, "met"), (False, "not met")])
def test_a_check_has_its_sentence_verdict_and_figure(met: bool, verdict: str) -> None:
    figure = ClaimFigure("cells that differ", ours=0.0, at_most=0.0)
    assert check("They are equal.", met, "0 differ", figure) == {
        "statement": "They are equal.",
        "verdict": verdict,
        "ours": "0 differ",
        "figure": figure.as_dict(),
    }
