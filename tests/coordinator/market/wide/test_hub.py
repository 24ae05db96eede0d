"""The hub form: the same optimum as the pairwise form, and back to pairs without loss."""

from __future__ import annotations

import pytest

from coordinator.market.instances import random_fleet
from coordinator.market.wide import hub


def test_a_loss_matrix_is_refused() -> None:
    with pytest.raises(hub.NotProductFormError, match="export_efficiency"):
        hub.from_fleet(random_fleet(1, 3, pairwise_losses=True))
