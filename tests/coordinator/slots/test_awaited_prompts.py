"""Nodes that wait for prompts which others read are told when nothing comes any more, until they wait no longer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from protos.messages.runner import BeginSlot, EndSlot
from protos.messages.slot import Guest
from protos.messages.stream import Gone, Heartbeat, Heartbeats, Refusal
from protos.messages.terms import Stage


def beat(node: str, awaits: tuple[str, ...] = (), handed: int | None = None) -> Heartbeat:
    return Heartbeat(node, "boot1", 0, 5, awaits, handed)


WAITS = beat("n00", ("n01", "n02"))


@pytest.fixture
def open_slot(bench: Any) -> Any:
    """n00 is to answer with caches of n01, and to run a batch of n02."""
    bench.join()
    bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    decisions = bench.coordinator.service.books.slots[0].decisions
    guests = (Guest("n01", 2, handed=2), Guest("n02", 1))
    decisions["n00"] = replace(decisions["n00"], guests=guests)
    return bench


def told(bench: Any, message: Heartbeat | Heartbeats) -> list[Any]:
    node = message.node_id if isinstance(message, Heartbeat) else message.beats[0].node_id
    service, sessions = bench.coordinator.service, bench.coordinator.sessions
    effects = service.receive(node, sessions[node], message)
    return [(to, each) for to, each in effects.sends if isinstance(each, Gone)]


def test_of_an_owner_without_a_lease_until_the_node_waits_no_longer(open_slot: Any) -> None:
    together = Heartbeats((WAITS,))
    open_slot.now += 0.9 * open_slot.config.lease_s
    assert told(open_slot, WAITS) == told(open_slot, together) == []
    open_slot.now += 0.9 * open_slot.config.lease_s  # n01 and n02 were not heard of
    gone = [("n00", Gone(0, ("n01",)))]
    assert told(open_slot, WAITS) == told(open_slot, together) == gone, "said again while it waits"
    assert told(open_slot, beat("n00")) == told(open_slot, beat("n00", ("n02",))) == []


def test_of_an_owner_that_lives_and_has_nothing_more_to_send(open_slot: Any) -> None:
    told(open_slot, beat("n01"))
    assert told(open_slot, WAITS) == [], "it reads"
    told(open_slot, beat("n01", handed=1))
    assert told(open_slot, WAITS) == [], "of another slot"
    told(open_slot, beat("n01", handed=0))
    assert told(open_slot, WAITS) == [("n00", Gone(0, ("n01",)))]
    told(open_slot, beat("n01"))
    assert told(open_slot, WAITS) == [], "it reads again, by another plan"


def test_of_an_owner_that_was_started_again_which_knows_nothing_of_the_slot(open_slot: Any) -> None:
    open_slot.coordinator.service.books.nodes["n01"].boot_id = "boot2"
    told(open_slot, replace(beat("n01"), boot_id="boot2"))
    assert told(open_slot, WAITS) == [("n00", Gone(0, ("n01",)))]


def test_of_an_owner_that_refused_the_decision(open_slot: Any) -> None:
    """As a meter that cannot be read makes it do: it lives, and reads nothing."""
    service, sessions = open_slot.coordinator.service, open_slot.coordinator.sessions
    assert told(open_slot, WAITS) == []
    service.receive("n01", sessions["n01"], Refusal("meter", "no reading"))
    told(open_slot, beat("n01"))
    assert told(open_slot, WAITS) == [("n00", Gone(0, ("n01",)))]


def test_nothing_is_said_of_a_slot_that_is_over(open_slot: Any) -> None:
    told(open_slot, beat("n01", handed=0))
    open_slot.coordinator.end_slot(EndSlot(0, 1.0, 1000, 10))
    assert told(open_slot, WAITS) == []
