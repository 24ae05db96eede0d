"""Execution of the slot's work: waiting for batches, running once, waste where it is too late."""

from __future__ import annotations

import pytest

from edge_node.slots.errors import NotReady
from edge_node.workload import Parameters
from protos.messages.slot import Guest, Send, Usage
from protos.messages.terms import Component
from tests.edge_node.slots.steps import MakeNode, decide, energies, finish, welcome


def test_missing_batches_are_waited_for_then_given_up(make_node: MakeNode, model: Parameters) -> None:
    owner, executor = make_node(0), make_node(1)
    for node in (owner, executor):
        welcome(node)
    executor.on_decision(decide("n1", 0, own=1, guests=(Guest("n0", 2),)))
    with pytest.raises(NotReady, match="no batches from n0"):
        executor.execute(model)
    assert executor.give_up_missing(0) == ("n0",)
    (parcel,) = owner.on_decision(decide("n0", 0, own=4, sends=(Send("n1", "", 2),)))
    receipt = executor.on_parcel(parcel)
    assert not receipt.accepted
    assert "too late" in receipt.reason
    assert executor.execute(model).batches == 1


def test_a_slot_closed_in_the_midst_of_work_wastes_it(make_node: MakeNode, model: Parameters) -> None:
    node = make_node(deadline_slots=1)
    welcome(node)
    node.on_decision(decide("n0", 0, own=6))
    reports: list[Usage] = []
    node.workload.before_training = lambda: reports.append(finish(node, 0)[0])
    with pytest.raises(NotReady, match="too late"):
        node.execute(model)
    assert reports[0].executed == ()
    assert node.telemetry().backlog_batches == (6, 6)
    usage, _ = finish(node, 1)
    assert energies(usage)[Component.WASTE] == 6 * 400_000


def test_work_that_fails_can_be_tried_again(make_node: MakeNode, model: Parameters) -> None:
    node = make_node()
    welcome(node)
    node.on_decision(decide("n0", 0, own=6))
    node.workload.before_training = lambda: (_ for _ in ()).throw(OSError("disk"))
    with pytest.raises(OSError, match="disk"):
        node.execute(model)
    node.workload.before_training = lambda: None
    assert node.execute(model).batches == 6
