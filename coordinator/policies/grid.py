"""GRID: no harvest, no battery, no trade; the baseline of nodes that use the grid alone."""

from __future__ import annotations

from typing import ClassVar

from coordinator.market.layout import Restrictions
from coordinator.policies.optimised import ModelPolicy


class Grid(ModelPolicy):
    """The model without any freedom but time (work within its deadline, sleep where allowed)."""

    name: ClassVar[str] = "grid"
    restrictions: ClassVar[Restrictions] = Restrictions(transfers=False, offloading=False, harvest=False)
    uses_harvest: ClassVar[bool] = False
