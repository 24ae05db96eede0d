"""A slot whose work could not be counted is as before its work; all steps: tests/reliability/test_fault_01_node.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edge_node.slots.node import EdgeNode
from edge_node.slots.phases import Phase
from edge_node.workload import Parameters
from protos.messages.slot import CloseSlot, Decision
from protos.messages.stream import Welcome
from protos.messages.terms import Component, Stage


def test_a_result_that_contradicts_itself_is_waste_and_the_work_can_be_done_again(
    make_node: Callable[..., EdgeNode], model: Parameters
) -> None:
    node = make_node(0, stages=(Stage.APPLICATION,))
    node.register("boot")
    node.on_welcome(Welcome("run", 1, 1.0, 5.0, 0))
    node.on_decision(Decision("n0", 1, 0, Stage.APPLICATION, True, 2, (), (), 0, 0, 0, 9.0))
    workload: Any = node._state.workloads[Stage.APPLICATION]
    infer = workload.infer
    # A task of a user that counts other bits than travelled.
    workload.infer = lambda *given: replace(infer(*given), payload_bits=1)
    for _ in range(2):
        with pytest.raises(ValueError, match="payload_bits must be"):
            node.execute(model)
    slot = node._state.require_current()
    assert (slot.phase, slot.result, slot.serving, slot.executed) == (Phase.DECIDED, None, {}, {})
    workload.infer = infer
    assert node.execute(model).batches == 2
    usage = node.close(CloseSlot(1, 0))
    assert usage.serving[0].requests == 2 * len(np.ravel(workload.batch(0, Stage.APPLICATION.value)["y"]))
    joules = {line.component: line.energy_uj for line in usage.lines if line.stage is Stage.APPLICATION}
    assert joules[Component.WASTE] == 2 * joules[Component.COMPUTE]
