"""What every meter must do, also one of your own: ``check(make)`` raises AssertionError saying what it does not."""

from __future__ import annotations

import pytest

from edge_node.meters import conformance
from edge_node.meters.modelled import ModelledMeter
from protos.messages.terms import Stage
from tests.edge_node.meters.recordings import CONTEXT


def test_the_suite_rejects_a_meter_that_carries_work_over() -> None:
    class Forgetful(ModelledMeter):
        def open(self, slot: int) -> None:
            self._window.work(Stage.DEVELOPMENT, 1.0, 1.0, False)

    with pytest.raises(AssertionError, match="idle slot computes nothing"):
        conformance.check(lambda: Forgetful(CONTEXT))
