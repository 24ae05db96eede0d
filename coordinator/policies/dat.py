"""DAT, distributed task allocation (the DETA paper): batches move to cleaner nodes, energy stays."""

from __future__ import annotations

from typing import ClassVar

from coordinator.market.layout import Restrictions
from coordinator.policies.optimised import ModelPolicy


class Dat(ModelPolicy):
    """Offloading free within (D5) and (D7), each node on its own harvest."""

    name: ClassVar[str] = "dat"
    restrictions: ClassVar[Restrictions] = Restrictions(transfers=False, offloading=True, harvest=True)
