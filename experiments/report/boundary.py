"""What a headline counts: the whole testbed, or its nodes alone.

Nodes alone are what a policy decides about; the whole testbed adds network, coordinator, router and all others that
have lines of their own. Every headline reduction is stated for both (methods.md section 4).
"""

from __future__ import annotations

from enum import StrEnum

import pandas as pd

from experiments.report.read import Study
from protos.messages import HOLDERS, Holder


class Boundary(StrEnum):
    """Lines that count."""

    NODES = "nodes"
    TESTBED = "testbed"

    @property
    def label(self) -> str:
        return "nodes alone" if self is Boundary.NODES else "whole testbed"


WORDS = {str(Holder.DEVICES): "users' devices"}
"""Holders whose name is not the word for people."""


def inside(lines: pd.DataFrame, boundary: Boundary) -> pd.DataFrame:
    """``lines`` within ``boundary``."""
    return lines if boundary is Boundary.TESTBED else lines[~lines["node_id"].isin(HOLDERS)]


def shared_text(study: Study) -> str:
    """What the whole testbed has beside nodes in these runs, e.g. ``network and coordinator``."""
    found = {str(name) for run in study for name in run.tables["lines"]["node_id"].unique()}
    named = [WORDS.get(holder, holder) for holder in HOLDERS if holder in found]
    return " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named) or "nothing else"
