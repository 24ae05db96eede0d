"""A check of the project's own, judged."""

from __future__ import annotations

import pytest

from experiments.report.claims.figure import ClaimFigure
from experiments.studies.verdict import Interval, check, emits_less


@pytest.mark.parametrize(("met", "verdict"), [(True, "met"), (False, "not met")])
def test_a_check_has_its_sentence_verdict_and_figure(met: bool, verdict: str) -> None:
    figure = ClaimFigure("cells that differ", ours=0.0, at_most=0.0)
    assert check("They are equal.", met, "0 differ", figure) == {
        "statement": "They are equal.",
        "verdict": verdict,
        "ours": "0 differ",
        "figure": figure.as_dict(),
    }


@pytest.mark.parametrize(
    ("less", "verdict", "ours"),
    [
        ((0.1, 0.02, 0.18), "met", "10.0 % of LOCAL's grams less (2.0 to 18.0)"),
        (
            (0.1, -0.02, 0.22),
            "not met",
            "10.0 % of LOCAL's grams less (-2.0 to 22.0): they cannot be told apart",
        ),
        ((-0.1, -0.18, -0.02), "not met", "10.0 % of LOCAL's grams more (2.0 to 18.0)"),
        (
            (0.1, None, None),
            "not met",
            "10.0 % of LOCAL's grams less, without an interval over 4 days: they cannot be told apart",
        ),
    ],
)
def test_who_emits_less_is_judged_by_the_interval(less: Interval, verdict: str, ours: str) -> None:
    found = emits_less("rl", "DETA", less, of="LOCAL's grams", cases="4 days", where="in winter")
    assert found["statement"] == "rl emits less than DETA in winter, by the interval over days"
    assert (found["verdict"], found["ours"]) == (verdict, ours)
    assert (found["figure"]["ours"], found["figure"]["low"], found["figure"]["high"]) == less
