"""A negotiation inside one process, for the simulator and the conformance suite: the same market, the same traders.

Every message is encoded and decoded as on the stream, and counted; traders are built from the fleet's rows as
edge_node builds them from a node's own state. Only the transport is left out, so a simulated slot and a slot over
gRPC that begin with the same figures end with the same trades.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from coordinator.market.decision import Feasible, FleetDecision
from coordinator.market.fleet import Fleet
from coordinator.market.rounding import clip_transfers, offload_room
from coordinator.market.window import product_form
from coordinator.negotiation.outcome import slot_notes
from coordinator.negotiation.table import Agreed, Negotiating, Table
from coordinator.policies.local import rule_decision
from protos import codec
from protos.messages.market import MarketCall, MarketNews
from protos.trading.desk import Desk
from protos.trading.own import Own


class Tally:
    """Messages and bytes of a negotiation, by node."""

    def __init__(self, node_ids: tuple[str, ...]) -> None:
        self.messages = 0
        self.down_bytes = dict.fromkeys(node_ids, 0)
        self.up_bytes = dict.fromkeys(node_ids, 0)

    def notes(self) -> dict[str, float]:
        total = sum(self.down_bytes.values()) + sum(self.up_bytes.values())
        return {"messages": float(self.messages), "negotiation_bytes": float(total)}

    def energy_j(self, fleet: Fleet) -> float:
        """Radio of both directions at the nodes, and the network; the coordinator's own radio is not counted."""
        down = np.array([self.down_bytes[node] for node in fleet.node_ids], dtype=float)
        up = np.array([self.up_bytes[node] for node in fleet.node_ids], dtype=float)
        radio = float(down @ fleet.rx_j_per_byte + up @ fleet.tx_j_per_byte)
        return radio + float(down.sum() + up.sum()) * fleet.limits.net_j_per_byte


def own_of(fleet: Fleet, node: int) -> Own:
    """One node's private row of a simulated fleet."""
    return Own(
        slot_s=fleet.slot_s,
        harvest_j=fleet.harvest_j[node],
        battery_j=float(fleet.battery_j[node]),
        backlog_batches=tuple(int(n) for n in fleet.backlog_batches[node]),
        room_batches=tuple(int(n) for n in offload_room(fleet)[node]),
        release_batches=tuple(int(n) for n in fleet.release_batches[node]),
        seconds_per_batch=fleet.seconds_per_batch[node],
        joules_per_batch=fleet.joules_per_batch[node],
        model_j=None if fleet.model_j is None else fleet.model_j[node],
        request_j=None if fleet.request_j is None else fleet.request_j[node],
        release_last_slots=()
        if fleet.release_last_slot is None
        else tuple(int(last) for last in fleet.release_last_slot[1:]),
        wake_s=float(fleet.wake_s[node]) if fleet.asleep[node] and fleet.limits.may_sleep else 0.0,
        **{name: float(getattr(fleet, name)[node]) for name in _BODY},
    )


_BODY = (
    *(
        "static_w",
        "tx_j_per_byte",
        "rx_j_per_byte",
        "storage_bytes",
        "export_efficiency",
        "import_efficiency",
    ),
    *("battery_capacity_j", "charge_efficiency", "discharge_efficiency", "self_discharge_fraction"),
    *("charge_limit_w", "discharge_limit_w"),
)


def converse(policy: Negotiating, fleet: Fleet, state: Any) -> tuple[Agreed, list[Desk], Tally]:
    """Let the nodes of ``fleet`` (losses in product form) negotiate a slot."""
    desks = [Desk(own_of(fleet, node)) for node in range(fleet.size)]
    tally = Tally(fleet.node_ids)
    market = policy.negotiate(Table.of(fleet), state)
    questions = next(market)
    while True:
        offers = []
        for desk, question in zip(desks, questions, strict=True):
            down = codec.encode_down(question)
            heard = codec.decode_down(down)
            assert isinstance(heard, MarketCall | MarketNews)
            up = codec.encode_up(desk.answer(heard))
            offers.append(codec.decode_up(up))
            tally.messages += 2
            tally.down_bytes[question.node_id] += len(down)
            tally.up_bytes[question.node_id] += len(up)
        try:
            questions = market.send(offers)  # type: ignore[arg-type]
        except StopIteration as stop:
            return stop.value, desks, tally


def decide(policy: Negotiating, fleet: Fleet, state: Any, report_gap: bool) -> tuple[FleetDecision, Any]:
    """A slot's trades as a decision, with its distance to the optimum of the slot in the notes."""
    known = product_form(fleet)
    agreed, desks, tally = converse(policy, known, state)
    sent, guests = agreed.moves.given(fleet.size), agreed.moves.taken(fleet.size)
    managed = [desk.managed(int(o), int(g)) for desk, o, g in zip(desks, sent, guests, strict=True)]
    decision = rule_decision(
        fleet,
        np.array([m.own_batches for m in managed], dtype=np.int64),
        agreed.moves,
        outcome=Feasible(None, "negotiated"),
        transfers=clip_transfers(agreed.transfers, fleet),
        charge_j=np.array([m.charge_j for m in managed]),
        discharge_j=np.array([m.discharge_j for m in managed]),
        notes=agreed.notes | tally.notes() | {"negotiation_j": tally.energy_j(fleet)},
    )
    following = policy.recall(fleet.node_ids, fleet.slot, state, agreed.record)
    if not report_gap:
        return decision, following
    notes = decision.notes | slot_notes(fleet, decision)
    gap, outcome = notes.get("gap_to_optimum_fraction"), decision.outcome
    if isinstance(outcome, Feasible) and gap is not None:
        outcome = Feasible(max(gap, 0.0), "negotiated; gap to the optimum of this slot alone")
    return replace(decision, notes=notes, outcome=outcome), following
