"""The decision of a slot as the ledger keeps it: from a choice for the fleet to what each node is told. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from carbon_data.units import to_micro
from coordinator.ledger.entry import Entry, Kind
from coordinator.market.decision import Feasible, FleetDecision
from coordinator.market.pairs import Transfers
from coordinator.policies.guard import Choice
from coordinator.slots.books import Books
from coordinator.slots.conversation import Conversation
from coordinator.slots.documents import plan_document
from coordinator.slots.recalled import recalled_turns
from protos.messages.runner import BeginSlot, SlotPlan
from protos.messages.slot import Decision, Guest, Send

UNLIMITED_UJ = 10**18
"""Value on the wire of a charge or discharge without limit; the battery's own limits are far below."""


def decision_entry(
    books: Books,
    request: BeginSlot,
    ids: tuple[str, ...],
    choice: Choice,
    *,
    self_managed: bool = False,
    missed: bool = False,
    **more: Any,
) -> Entry:
    """The decision of slot ``request.slot``. Transfers in integer microjoules; ``more`` joins the document.

    ``self_managed``: nodes choose for themselves what was not agreed on with others. ``missed``: no work is in it."""
    chosen = choice.decision
    transfers = _transfers(ids, chosen.transfers)
    decisions, decided = _node_decisions(books, request, ids, choice, transfers), set(ids)
    plan = SlotPlan(
        epoch=books.epoch,
        slot=request.slot,
        decisions=tuple(replace(one, self_managed=self_managed, missed=missed) for one in decisions),
        lost_nodes=tuple(
            node for node in books.config.node_ids if node in books.nodes and node not in decided
        ),
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
        "plan": plan_document(plan),
        "transfers": transfers,
        "selected": selected,
        "unserved": {n: int(count) for n, count in zip(ids, chosen.unserved_batches, strict=True) if count},
        "objective_g": choice.objective_g,
        "notes": {name: float(value) for name, value in sorted(chosen.notes.items())},
        **more,
    }
    return Entry(Kind.DECISION, f"decision/{request.slot}", body, slot=request.slot)


def market_entry(books: Books, request: BeginSlot, market: Conversation, *, missed: bool = False) -> Entry:
    """A market's agreement as the slot's decision: exchanges with others; all else is each node's own choice."""
    agreed, ids = market.agreed, market.nodes
    assert agreed is not None
    nothing, no_batch = np.zeros(len(ids)), np.zeros(len(ids), dtype=np.int64)
    decision = FleetDecision(
        home_batches=no_batch,
        moves=agreed.moves,
        transfers=agreed.transfers,
        charge_j=nothing,
        discharge_j=nothing,
        awake=np.ones(len(ids), dtype=bool),
        outcome=Feasible(None, agreed.status),
        unserved_batches=no_batch,
        notes=agreed.notes,
    )
    return decision_entry(
        books,
        request,
        ids,
        Choice(decision, agreed.status, None, None, 0.0),
        self_managed=True,
        missed=missed,
        boots={node: books.nodes[node].boot_id for node in ids},
        market={"record": agreed.record, "silent": market.dropped, **market.said.body()},
    )


def _transfers(ids: tuple[str, ...], decided: Transfers) -> list[tuple[str, str, int]]:
    rows = [(ids[i], ids[j], to_micro(sent_j)) for i, j, sent_j in decided.rows()]
    return [row for row in rows if row[2] > 0]


def _node_decisions(
    books: Books,
    request: BeginSlot,
    ids: tuple[str, ...],
    choice: Choice,
    transfers: list[tuple[str, str, int]],
) -> Iterator[Decision]:
    chosen = choice.decision
    sends: list[list[Send]] = [[] for _ in ids]
    guests: list[list[Guest]] = [[] for _ in ids]
    handed = {(i, j): count for i, j, count in chosen.handed.rows()}
    for i, j, count in chosen.moves.rows():
        read = handed.get((i, j), 0)
        sends[i].append(Send(ids[j], books.nodes[ids[j]].peer_address, count, read))
        guests[j].append(Guest(ids[i], count, read))
    recalled = recalled_turns(books, ids)
    exports: dict[str, int] = {}
    for donor, _, energy_uj in transfers:
        exports[donor] = exports.get(donor, 0) + energy_uj
    for i, node in enumerate(ids):
        yield Decision(
            node_id=node,
            epoch=books.epoch,
            slot=request.slot,
            stage=request.stage,
            awake=bool(chosen.awake[i]),
            own_batches=int(chosen.home_batches[i]),
            sends=tuple(sends[i]),
            guests=tuple(guests[i]),
            export_uj=exports.get(node, 0),
            charge_uj=min(to_micro(float(chosen.charge_j[i])), UNLIMITED_UJ),
            discharge_uj=min(to_micro(float(chosen.discharge_j[i])), UNLIMITED_UJ),
            deadline_s=max(request.wait_s, books.config.lease_s),
            point=0 if chosen.points is None else int(chosen.points[i]),
            recalled=recalled.get(node, ()),
        )
