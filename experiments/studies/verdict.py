"""A check of the project's own, judged."""

from __future__ import annotations

from typing import Any

from experiments.report.claims.figure import ClaimFigure


def check(statement: str, met: bool, ours: str, figure: ClaimFigure) -> dict[str, Any]:
    """The check as ``reproduce`` shows it: ``statement`` is what was to hold, ``ours`` what was found, in words."""
    return {
        "statement": statement,
        "verdict": "met" if met else "not met",
        "ours": ours,
        "figure": figure.as_dict(),
    }
