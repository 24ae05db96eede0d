"""DET, distributed energy trading (the DETA paper): nodes send each other harvested energy, work stays."""

from __future__ import annotations

from typing import ClassVar

from coordinator.market.layout import Restrictions
from coordinator.policies.optimised import ModelPolicy


class Det(ModelPolicy):
    """Energy transfers free within (D6), no offloading."""

    name: ClassVar[str] = "det"
    restrictions: ClassVar[Restrictions] = Restrictions(transfers=True, offloading=False, harvest=True)
