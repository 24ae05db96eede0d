"""DETA, distributed energy trading and task allocation (the DETA paper): energy and batches both move."""

from __future__ import annotations

from typing import ClassVar

from coordinator.market.layout import Restrictions
from coordinator.policies.optimised import ModelPolicy


class Deta(ModelPolicy):
    """The whole model."""

    name: ClassVar[str] = "deta"
    restrictions: ClassVar[Restrictions] = Restrictions(transfers=True, offloading=True, harvest=True)
