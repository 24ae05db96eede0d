"""LP-LOCAL: every node for itself, but with its own battery and work optimised over the look-ahead."""

from __future__ import annotations

from typing import ClassVar

from coordinator.market.layout import Restrictions
from coordinator.policies.optimised import ModelPolicy


class LocalLp(ModelPolicy):
    """The model without transfers and without offloading: what LOCAL's rule is measured against."""

    name: ClassVar[str] = "local-lp"
    restrictions: ClassVar[Restrictions] = Restrictions(transfers=False, offloading=False, harvest=True)
