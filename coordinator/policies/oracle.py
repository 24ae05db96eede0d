"""Oracle: the whole model with perfect foresight over the rest of the run; the bound that other policies are
compared with."""

from __future__ import annotations

from typing import ClassVar

from coordinator.market.fleet import Fleet
from coordinator.market.layout import Restrictions
from coordinator.market.window import with_truth
from coordinator.policies.optimised import ModelPolicy


class Oracle(ModelPolicy):
    """DETA with perfect foresight: plans with ``fleet.true_intensity_g_per_kwh`` and ``fleet.true_harvest_j``."""

    name: ClassVar[str] = "oracle"
    restrictions: ClassVar[Restrictions] = Restrictions(transfers=True, offloading=True, harvest=True)
    needs_truth: ClassVar[bool] = True
    """The code that builds the fleet must set the true future, to the end of the run."""

    def view(self, fleet: Fleet) -> Fleet:
        """The true future. Raises ValueError where it is not set in the fleet."""
        return with_truth(fleet)
