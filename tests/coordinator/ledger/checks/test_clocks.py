"""Clocks of nodes: the rule by which a slot is refused is the coordinator's."""

from __future__ import annotations

from typing import Any

import pytest

from coordinator.ledger.checks import clocks
from coordinator.ledger.checks.facts import Facts
from coordinator.ledger.checks.item import Item
from coordinator.ledger.entry import Kind
from coordinator.slots.clocks import MOST_OF_SLOT
from tests.coordinator.ledger.checks.forging import Forged, Outcomes, append, body, kept, silent, sql


def test_both_allow_the_same_share_of_a_slot() -> None:
    """Written apart."""
    assert clocks.MOST_OF_SLOT == MOST_OF_SLOT


def test_ledgers_from_before_clocks_were_measured_need_none() -> None:
    unmeasured = clocks.NodeClocks(lambda code, where, text: pytest.fail(text), Facts())
    unmeasured.take_decision(Item(Kind.DECISION, "key", 0, "", {"node_ids": ["n0"]}, (), "entry", 0))


# --- forged ledgers --------------------------------------------------------------------------------------

CLOCK = {"boot_id": "boot1", "epoch": 1, "next_slot": 4, "at_ns": 1, "offset_ns": 2} | {
    "uncertainty_ns": 3,
    "round_trips": 16,
}


def clock(text: str, **changes: Any) -> Forged:
    return Forged("clock", text, (body("clock/n00/1/16", lambda b: b.update(changes)),), ledger="timed")


FORGED: dict[str, Forged] = {
    "a clock on the virtual clock": Forged(
        "clock", "in a run on the virtual clock", (append("clock", "clock/n00/1/9", CLOCK, node="n00"),)
    ),
    "a clock of another start": clock("is of start boot0 in epoch 1", boot_id="boot0"),
    "a clock read in another slot": clock("was read before slot 3; the next was 0", next_slot=3),
    "a clock read without asking": clock("by 0 ways there and back", round_trips=0),
    "a clock that nobody knows": clock("holds n00, whose clock was known to 7 s", uncertainty_ns=7 * 10**9),
    "another node's clock": Forged(
        "keys",
        "the key is not that of the node's clock",
        (sql("UPDATE entries SET key = 'clock/n01/1/16' WHERE key = 'clock/n00/1/16'"),),
        ledger="timed",
    ),
}


KEPT = kept("clocks")


@pytest.mark.parametrize("name", FORGED)
def test_each_forgery_gives_its_findings_and_no_other(name: str, outcome: Outcomes) -> None:
    found = outcome(FORGED[name])
    assert found.made_for, found.said
    assert found.said == KEPT[name]


def test_no_finding_is_without_a_forged_ledger(outcome: Outcomes) -> None:
    assert list(KEPT) == list(FORGED)
    assert silent(clocks, [outcome(forged) for forged in FORGED.values()]) == []
