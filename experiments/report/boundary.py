"""Boundary of a headline: the whole testbed, or its nodes alone.

A policy decides about the nodes alone; the whole testbed adds network, coordinator, router and all others that
have separate lines. Every headline reduction is stated for both (methods.md section 4).
"""

from __future__ import annotations

from enum import StrEnum

import pandas as pd

from experiments.report.read import Study
from protos.messages.terms import HOLDERS, Holder


class Boundary(StrEnum):
    """Lines that count."""

    NODES = "nodes"
    TESTBED = "testbed"

    @property
    def label(self) -> str:
        return "nodes alone" if self is Boundary.NODES else "whole testbed"


WORDS = {str(Holder.DEVICES): "users' devices"}
"""Labels of holders whose name is not the usual word."""


def inside(lines: pd.DataFrame, boundary: Boundary) -> pd.DataFrame:
    """``lines`` within ``boundary``."""
    return lines if boundary is Boundary.TESTBED else lines[~lines["node_id"].isin(HOLDERS)]


def shared_text(study: Study) -> str:
    """Parts of the whole testbed other than nodes in these runs, e.g. ``network and coordinator``."""
    found = {str(name) for run in study for name in run.tables["lines"]["node_id"].unique()}
    named = [WORDS.get(holder, holder) for holder in HOLDERS if holder in found]
    return " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named) or "nothing else"
