"""From a policy's choice for the fleet to the decision of a slot: what each node is told. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from carbon_data.units import to_micro
from coordinator.books import Books
from coordinator.guard import Choice
from coordinator.ledger.entry import Entry, Kind
from coordinator.market.fleet import Fleet
from protos.messages import BeginSlot, Decision, Guest, Send, SlotPlan, Telemetry

UNLIMITED_UJ = 10**18
"""What a charge or discharge without limit becomes on the wire; the battery's own limits are far below."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A fleet to decide upon, with the telemetry it was made from."""

    fleet: Fleet
    telemetry: dict[str, Telemetry]


def decision_entry(books: Books, request: BeginSlot, draft: Draft, choice: Choice) -> Entry:
    """The decision of slot ``request.slot`` as the ledger keeps it. Transfers in integer microjoules."""
    ids, chosen = draft.fleet.node_ids, choice.decision
    transfers = [
        (ids[i], ids[j], to_micro(float(chosen.transfer_j[i, j])))
        for i, j in zip(*chosen.transfer_j.nonzero(), strict=True)
    ]
    transfers = [row for row in transfers if row[2] > 0]
    plan = SlotPlan(
        epoch=books.epoch,
        slot=request.slot,
        decisions=tuple(_node_decisions(books, request, draft.fleet, choice, transfers)),
        lost_nodes=tuple(node for node in books.config.node_ids if node in books.nodes and node not in ids),
        status=choice.status,
        gap_fraction=choice.gap_fraction,
        decide_s=max(0.0, choice.decide_s),
    )
    selected = None
    if chosen.selected is not None:
        selected = [node for node, taken in zip(ids, chosen.selected, strict=True) if taken]
    body: dict[str, Any] = {
        "stage": str(request.stage),
        "node_ids": list(ids),
        "plan": asdict(plan),
        "transfers": transfers,
        "selected": selected,
        "unserved": {n: int(count) for n, count in zip(ids, chosen.unserved_batches, strict=True) if count},
        "objective_g": choice.objective_g,
        "notes": {name: float(value) for name, value in sorted(chosen.notes.items())},
    }
    return Entry(Kind.DECISION, f"decision/{request.slot}", body, slot=request.slot)


def _node_decisions(
    books: Books, request: BeginSlot, fleet: Fleet, choice: Choice, transfers: list[tuple[str, str, int]]
) -> Iterator[Decision]:
    ids, batches = fleet.node_ids, choice.decision.batches
    exports: dict[str, int] = {}
    for donor, _, energy_uj in transfers:
        exports[donor] = exports.get(donor, 0) + energy_uj
    for i, node in enumerate(ids):
        others = [(j, ids[j]) for j in range(len(ids)) if j != i]
        yield Decision(
            node_id=node,
            epoch=books.epoch,
            slot=request.slot,
            stage=request.stage,
            awake=bool(choice.decision.awake[i]),
            own_batches=int(batches[i, i]),
            sends=tuple(
                Send(name, books.nodes[name].peer_address, int(batches[i, j]))
                for j, name in others
                if batches[i, j]
            ),
            guests=tuple(Guest(name, int(batches[j, i])) for j, name in others if batches[j, i]),
            export_uj=exports.get(node, 0),
            charge_uj=min(to_micro(float(choice.decision.charge_j[i])), UNLIMITED_UJ),
            discharge_uj=min(to_micro(float(choice.decision.discharge_j[i])), UNLIMITED_UJ),
            deadline_s=max(request.wait_s, books.config.lease_s),
        )
