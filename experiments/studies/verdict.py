"""A check of the project's own, judged."""

from __future__ import annotations

from typing import Any

from experiments.report.claims.figure import ClaimFigure, Kind

Interval = tuple[float, float | None, float | None]
"""A value and the ends of its interval, both None where a single case has none."""


def check(statement: str, met: bool, ours: str, figure: ClaimFigure) -> dict[str, Any]:
    """The check as ``reproduce`` shows it: ``statement`` is what was to hold, ``ours`` what was found, in words."""
    return {
        "statement": statement,
        "verdict": "met" if met else "not met",
        "ours": ours,
        "figure": figure.as_dict(),
    }


def emits_less(
    who: str, whom: str, less: Interval, *, of: str, cases: str, where: str = ""
) -> dict[str, Any]:
    """Whether ``who`` emits less than ``whom`` by the paired interval over ``cases`` ("20 days"): met where all of it
    lies above zero.

    ``less``: how much less, as a fraction of ``of`` ("LOCAL's grams"). ``where``: which cases, in words. Where zero
    lies inside, or there is no interval, ``ours`` says that the two cannot be told apart."""
    value, low, high = less
    return check(
        f"{who} emits less than {whom}{f' {where}' if where else ''}, by the interval over {cases.split()[-1]}",
        low is not None and low > 0,
        _said(less, of, cases),
        ClaimFigure(
            f"grams less than {whom}, share of {of}",
            Kind.FRACTION,
            ours=value,
            low=low,
            high=high,
            interval="" if low is None else f"95 % interval over {cases}",
            at_least=0.0,
        ),
    )


def _said(less: Interval, of: str, cases: str) -> str:
    value, low, high = (None if one is None else 100 * one for one in less)
    assert value is not None
    if low is None or high is None:
        return f"{value:z.1f} % of {of} less, without an interval over {cases}: they cannot be told apart"
    if high < 0:
        return f"{-value:z.1f} % of {of} more ({-high:z.1f} to {-low:z.1f})"
    shown = f"{value:z.1f} % of {of} less ({low:z.1f} to {high:z.1f})"
    return shown if low > 0 else f"{shown}: they cannot be told apart"
