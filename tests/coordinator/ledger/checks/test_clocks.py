"""Clocks of nodes: the rule by which a slot is refused is the coordinator's."""

from __future__ import annotations

import pytest

from coordinator.ledger.checks import clocks
from coordinator.ledger.checks.facts import Facts
from coordinator.ledger.checks.item import Item
from coordinator.ledger.entry import Kind
from coordinator.slots.clocks import MOST_OF_SLOT


def test_both_allow_the_same_share_of_a_slot() -> None:
    """Written apart; findings of forged ledgers are in test_checks.py."""
    assert clocks.MOST_OF_SLOT == MOST_OF_SLOT


def test_ledgers_from_before_clocks_were_measured_need_none() -> None:
    unmeasured = clocks.NodeClocks(lambda code, where, text: pytest.fail(text), Facts())
    unmeasured.take_decision(Item(Kind.DECISION, "key", 0, "", {"node_ids": ["n0"]}, (), "entry", 0))
