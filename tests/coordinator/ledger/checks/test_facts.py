"""Facts of the entries read so far, and what is worth knowing of them."""

from __future__ import annotations

from typing import Any

from coordinator.ledger.checks.every import Checks
from coordinator.ledger.checks.facts import Facts
from coordinator.ledger.checks.item import Item
from coordinator.ledger.entry import Kind


def test_facts_of_every_kind_of_entry() -> None:
    facts = Facts()

    def take(kind: Kind, body: dict[str, Any], slot: int = 3, node: str = "n0") -> None:
        facts.take(Item(kind, "key", slot, node, body, (), "here", 0))

    told = {
        "node_id": "n0",
        "own_batches": 5,
        "sends": [{"batches": 2}, {"batches": 4}],
    }
    decision = {"plan": {"status": "optimal", "decisions": [{"node_id": "n9"}, told]}}
    take(Kind.DECISION, decision)
    take(Kind.DECISION, {"plan": {"status": "fallback: x", "decisions": []}}, 4)
    take(Kind.DECISION, {"plan": {"status": "fallback: y", "decisions": []}}, 5)
    assert facts.decisions[3] is decision
    assert facts.decided(3, "n0") is told
    assert facts.decided(3, "n1") is None
    assert facts.decided(8, "n0") is None
    assert facts.decided_batches(3, told) == 11
    take(Kind.USAGE, {"own_work": None})
    assert facts.decided_batches(3, told) == 11
    take(Kind.USAGE, {"own_work": {"own_batches": 1}})
    assert facts.usage == {(3, "n0"): {"own_work": {"own_batches": 1}}}
    assert facts.decided_batches(3, told) == 7
    for node, late, estimated in (
        ("n0", True, True),
        ("n1", True, False),
        ("n2", False, True),
        ("n3", False, False),
    ):
        take(Kind.BOOKING, {"late": late, "estimated": estimated}, 3, node)
    assert facts.booked == {(3, "n0"), (3, "n1"), (3, "n2"), (3, "n3")}
    take(Kind.BOOKING, {"late": False, "estimated": True}, 6)
    take(Kind.GAP, {}, 4, "n1")
    take(Kind.GAP, {}, 5, "n1")
    assert facts.gaps == {(4, "n1"), (5, "n1")}
    take(Kind.SLOT_END, {})
    assert facts.ended == {3}
    for _ in range(2):
        take(Kind.ADJUSTMENT, {})
    for name in ("lease", "lease", "clock"):
        take(Kind.ALARM, {"alarm": name})
    assert dict(facts.counts) == {
        "slots decided by fallback": 2,
        "readings after their slot's end": 2,
        "bookings by estimate": 2,
        "unmetered node slots": 2,
        "battery adjustments after a gap": 2,
        "alarm: lease": 2,
        "alarm: clock": 1,
    }


def test_notices_are_in_order_and_none_is_of_nothing() -> None:
    checks = Checks(lambda *_: None)
    for name, count in (("b", 2), ("a", 3), ("c", 0)):
        checks._facts.counts[name] = count
    assert checks.notices() == ["3 a", "2 b"]
