"""Lines of a ledger computed again: a slot in which a node used nothing."""

from __future__ import annotations

from typing import Any

from coordinator.ledger.checks.facts import Facts
from coordinator.ledger.checks.item import Item
from coordinator.ledger.checks.lines import Lines
from coordinator.ledger.entry import Kind


def item(kind: Kind, body: dict[str, Any], node: str = "") -> Item:
    return Item(kind, "key", 0, node, body, (), "here", 0)


def test_lines_of_no_joule_have_no_share() -> None:
    """Nothing metered, nothing booked: no finding, and three microjoules of grid energy are one."""
    found: list[tuple[str, str, str]] = []
    facts = Facts()
    lines = Lines(lambda *finding: found.append(finding), facts, 1)
    zone = {"zone": "Z0", "intensity_g_per_kwh": (36.0,)}
    lines.take_start(
        item(Kind.START, {"epoch": 1, "config": {"zones": [zone], "limits": {"net_j_per_byte": 1e-6}}})
    )
    lines.take_registration(item(Kind.REGISTRATION, {"profile": {"zone": "Z0"}}, "n00"))
    line = {
        "node_id": "n00",
        "zone": "Z0",
        "stage": "development",
        "component": "static",
        "energy_uj": 0,
        "grid_uj": 0,
        "operational_pg": 0,
    }
    facts.usage[0, "n00"] = {"lines": [line], "model_bytes": 0, "users": (), "moved": ()}
    body = {
        "zone": "Z0",
        "intensity_g_per_kwh": 36.0,
        "stage": "development",
        "executed_batches": 0,
        "wasted_batches": 0,
        "late": False,
        "balance": {"demand_uj": 0, "grid_uj": 0},
        "lines": [line],
    }
    lines.take_booking(item(Kind.BOOKING, body, "n00"))
    assert found == []
    lines.take_booking(item(Kind.BOOKING, {**body, "lines": [{**line, "grid_uj": 3}]}, "n00"))
    assert found == [("lines", "here", "development/static has another share than its energy's")]
