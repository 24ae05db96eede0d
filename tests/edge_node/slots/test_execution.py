"""Execution of the slot's work: waiting for batches, running once, waste where it is too late."""

from __future__ import annotations

import dataclasses
import math

import pytest

from edge_node.meters.base import Work
from edge_node.slots.errors import NotReady, NoWork
from edge_node.slots.link import respond
from edge_node.slots.slot import Readiness
from edge_node.workload import Parameters, TrainResult
from protos.messages.slot import Executed, Guest, Send, Usage
from protos.messages.stream import Gone
from protos.messages.terms import Component, Stage
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


def test_work_that_fails_is_wasted_and_can_be_tried_again(
    make_node: MakeNode, model: Parameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = make_node()
    welcome(node)
    node.on_decision(decide("n0", 0, own=6))
    node.workload.before_training = lambda: (_ for _ in ()).throw(OSError("disk"))
    metered: list[Work] = []
    monkeypatch.setattr(node._state.meter, "add", metered.append)
    with pytest.raises(OSError, match="disk"):
        node.execute(model)
    assert metered == [Work(Stage.DEVELOPMENT, 0.0, wasted=True)], "what a meter sees of it was for nothing"
    monkeypatch.undo()
    node.workload.before_training = lambda: None
    assert node.execute(model).batches == 6


def test_an_owner_that_is_gone_is_not_waited_for_and_the_others_are(make_node: MakeNode) -> None:
    node = make_node()
    welcome(node)
    node.on_decision(decide("n0", 0, own=3, guests=(Guest("n1", 1), Guest("n2", 2, handed=2))))
    assert node.readiness(0).awaits_reading
    assert respond(node, Gone(1, ("n2",))).up == []  # of another slot
    assert node.readiness(0).missing_owners == ("n1", "n2")
    respond(node, Gone(0, ("n2", "n7")))
    waits = node.readiness(0)
    assert (waits.missing_owners, waits.awaits_reading) == (("n1",), False)


def test_a_node_reads_for_others_until_its_parcel_has_an_outcome(make_node: MakeNode) -> None:
    node = make_node()
    welcome(node)
    (parcel,) = node.on_decision(decide("n0", 0, own=4, sends=(Send("n1", "", 2),)))
    assert not node.readiness(0).reads_for_others  # batches alone leave
    outgoing = node._state.require_current().outgoing["n1"]
    outgoing.handed = 1
    assert node.readiness(0).reads_for_others
    node.parcel_failed(parcel)
    assert not node.readiness(0).reads_for_others


def test_deadlines_and_readiness_of_a_slot(make_node: MakeNode, model: Parameters) -> None:
    """Without a decision a slot has no deadline and is not ready; a slot behind is over, one ahead is not."""
    node = make_node(deadline_slots=1)
    welcome(node)
    assert node.slot_deadline_s(0) == node.slot_deadline_s(7) == math.inf
    assert node.readiness(0) == Readiness(False, (), (), over=False)
    assert node.give_up_missing(0) == ()
    (parcel,) = node.on_decision(
        decide("n0", 0, own=3, sends=(Send("n1", "", 2),), guests=(Guest("n2", 1),), deadline_s=4.5)
    )
    assert node.slot_deadline_s(0) == 4.5
    assert node.slot_deadline_s(1) == math.inf
    waits = node.readiness(0)
    assert waits == Readiness(True, ("n1",), ("n2",), over=False)
    assert (waits.ready, waits.describe()) == (False, "no answer from n1, no batches from n2")
    assert node.readiness(1) == Readiness(False, (), (), over=False)
    assert node.give_up_missing(1) == ()
    node.parcel_failed(parcel)
    assert node.give_up_missing(0) == ("n2",)
    assert node.give_up_missing(0) == ()
    assert node.readiness(0).ready
    assert node.execute(model).batches == 5
    finish(node, 0)
    assert node.slot_deadline_s(0) == 4.5, "the last slot is kept"
    assert node.readiness(0) == Readiness(False, (), (), over=True)
    assert node.readiness(0).describe() == "the slot is over"
    assert Readiness(False, (), (), over=False).describe() == "no decision has come"
    assert Readiness(True, (), (), over=False).describe() == "ready"
    with pytest.raises(NotReady, match=r"^n0 cannot run slot 1: no decision has come$"):
        node.execute(model)
    node.on_decision(decide("n0", 1))
    with pytest.raises(NoWork, match=r"^n0 has no batches in slot 1$"):
        node.execute(model)


def test_counts_of_a_training_whole_by_hand(make_node: MakeNode, model: Parameters) -> None:
    """Four weights of four bytes come and go back; the loss is that of the training, and is told from then on."""
    node = make_node(deadline_slots=1)
    welcome(node)
    assert node.telemetry().mean_loss is None
    node.on_decision(decide("n0", 0, own=2))
    result = node.execute(model)
    assert isinstance(result, TrainResult)
    usage, _ = finish(node, 0)
    assert (usage.mean_loss, usage.model_bytes) == (result.mean_loss, 16 + 16)
    assert usage.mean_loss is not None
    assert node.telemetry().mean_loss == usage.mean_loss
    assert usage.executed == (Executed("n0", 2),)
    node.on_decision(decide("n0", 1, own=1))
    train = node.workload.train
    node.workload.train = lambda *given: dataclasses.replace(train(*given), mean_loss=math.nan)
    node.execute(model)
    lost, _ = finish(node, 1)
    assert lost.mean_loss is None, "a loss that is no number is not reported"
    assert node.telemetry().mean_loss == usage.mean_loss


def test_a_model_that_came_for_no_work_is_booked(make_node: MakeNode, model: Parameters) -> None:
    """Batches of another node did not come. Four weights of four bytes did, at 20 uJ a byte."""
    node = make_node()
    welcome(node)
    node.on_decision(decide("n0", 0, guests=(Guest("n1", 2),)))
    with pytest.raises(NotReady):
        node.execute(model)  # it is asked again
    node.give_up_missing(0)
    with pytest.raises(NoWork):
        node.execute(model)
    usage, _ = finish(node, 0)
    assert (usage.executed, usage.model_bytes) == ((), 16)
    assert energies(usage)[Component.RADIO_RX] == 16 * 20


def test_a_model_comes_again_for_work_that_is_tried_again(make_node: MakeNode, model: Parameters) -> None:
    node = make_node()
    welcome(node)
    node.on_decision(decide("n0", 0, own=2))
    node.workload.before_training = lambda: (_ for _ in ()).throw(OSError("disk"))
    with pytest.raises(OSError, match="disk"):
        node.execute(model)
    node.workload.before_training = lambda: None
    node.execute(model)
    usage, _ = finish(node, 0)
    assert usage.model_bytes == 16 + 16 + 16
    assert energies(usage)[Component.RADIO_RX] == 2 * 16 * 20
    assert energies(usage)[Component.RADIO_TX] == 16 * 10
