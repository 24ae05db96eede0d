"""What a headline counts: the whole testbed, or its nodes alone.

Nodes alone are what a policy decides about; the whole testbed adds network, coordinator, router and users' devices.
Every headline reduction is stated for both (methods.md section 4).
"""

from __future__ import annotations

from enum import StrEnum

import pandas as pd

from protos.messages import HOLDERS


class Boundary(StrEnum):
    """Lines that count."""

    NODES = "nodes"
    TESTBED = "testbed"

    @property
    def label(self) -> str:
        return "nodes alone" if self is Boundary.NODES else "whole testbed"


def inside(lines: pd.DataFrame, boundary: Boundary) -> pd.DataFrame:
    """``lines`` within ``boundary``."""
    return lines if boundary is Boundary.TESTBED else lines[~lines["node_id"].isin(HOLDERS)]
