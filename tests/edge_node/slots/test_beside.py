"""Work of an app that is no batch: metered in the slot, refused where the node sleeps."""

from __future__ import annotations

import dataclasses

import pytest

from edge_node.slots.beside import Done
from edge_node.slots.errors import NotReady
from protos.messages.slot import CloseSlot
from protos.messages.terms import Component
from tests.edge_node.slots.steps import decide, energies, finish, welcome


def test_its_joules_are_in_the_slots_reading_and_no_batch_is(make_node) -> None:
    node = make_node(0)
    welcome(node)
    node.beside(lambda: Done(1e4, 100, 50))  # before the decision: of the slot that the node is in
    node.on_decision(decide("n0", 0))
    node.beside(lambda: Done(2e4, 0, 0))
    usage, _ = finish(node, 0)
    found = energies(usage)
    idle = make_node(1)
    welcome(idle)
    idle.on_decision(decide("n1", 0))
    nothing = energies(finish(idle, 0)[0])
    assert usage.executed == ()
    assert found[Component.COMPUTE] > nothing.get(Component.COMPUTE, 0)
    assert found[Component.RADIO_RX] > nothing.get(Component.RADIO_RX, 0)


def test_a_job_that_raises_is_waste(make_node) -> None:
    def broken() -> Done:
        raise RuntimeError("app")

    node = make_node(0)
    welcome(node)
    node.on_decision(decide("n0", 0))
    with pytest.raises(RuntimeError, match="app"):
        node.beside(broken)
    finish(node, 0)


def test_a_node_that_sleeps_or_has_reported_refuses(make_node) -> None:
    node = make_node(0)
    welcome(node)
    node.on_decision(dataclasses.replace(decide("n0", 0), awake=False))
    with pytest.raises(NotReady, match="sleeps in slot 0"):
        node.beside(lambda: Done(1.0, 0, 0))
    node.close(CloseSlot(1, 0))
    with pytest.raises(NotReady, match="slot 0 is over"):
        node.beside(lambda: Done(1.0, 0, 0))
