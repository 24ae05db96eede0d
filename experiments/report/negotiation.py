"""Cost of the negotiation: messages, bytes, joules and grams of the markets of a run that negotiated."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from carbon_data.units import JOULES_PER_KWH
from experiments.report import style, units
from experiments.report.read import Run, Study
from experiments.report.tables import Column, Table
from protos.messages.terms import Holder

COMPONENT = "negotiation"
_SUMS = ("messages", "bytes", "energy_j", "operational_g")


@dataclass(frozen=True, slots=True)
class NegotiationTotals:
    """Totals over the negotiated slots of a run."""

    slots: int
    rounds: int | None
    """Questions to all and their answers; None in a ledger of a version that did not count them."""
    messages: int
    bytes: int
    """As encoded, both directions."""
    energy_j: float
    """Radio of the nodes and the network; computing an answer is not modelled (a measuring meter has it elsewhere)."""
    operational_g: float
    silent_nodes: int
    """Times that a node did not answer in time, and was left out of a slot's market."""


def negotiation_totals(run: Run) -> NegotiationTotals | None:
    """Totals of ``run``; None where it did not negotiate."""
    decisions = run.tables["decisions"]
    if "market_messages" not in decisions:
        return None
    held = decisions[decisions["market_messages"].notna()]
    if held.empty:
        return None
    booked = run.tables["lines"].query("component == @COMPONENT")
    rounds = held["market_rounds"]
    return NegotiationTotals(
        slots=len(held),
        rounds=None if rounds.isna().any() else int(rounds.sum()),
        messages=int(held["market_messages"].sum()),
        bytes=int(held["market_bytes"].sum()),
        energy_j=float(booked["energy_j"].sum()),
        operational_g=operational_g(run),
        silent_nodes=int(held["market_silent_nodes"].sum()),
    )


def operational_g(run: Run) -> float:
    """Grams of the negotiation, from booked joules: in runs that booked micrograms its lines are far below one.

    A node's radio at its own intensity, the network between a zone's nodes and the coordinator at the mean of both
    ends, as the coordinator books them."""
    lines, slots = run.tables["lines"], run.tables["slots"]
    of_node = slots.set_index(["slot", "node_id"])["intensity_g_per_kwh"].astype(float).to_dict()
    of_zone = slots.groupby(["slot", "zone"])["intensity_g_per_kwh"].first().astype(float).to_dict()
    own = lines[(lines["node_id"] == Holder.COORDINATOR) & (lines["grid_j"] > 0)].astype(
        {"grid_j": float, "operational_g": float}
    )
    for slot, zone, joules, grams in zip(
        own["slot"], own["zone"], own["grid_j"], own["operational_g"], strict=True
    ):
        # Where no node shares the coordinator's zone: the intensity of its own, far larger, line.
        of_zone.setdefault((slot, zone), grams / joules * JOULES_PER_KWH)
    said = lines[lines["component"] == COMPONENT].astype({"grid_j": float})
    total = 0.0
    for slot, node, zones, joules in zip(
        said["slot"], said["node_id"], said["zone"], said["grid_j"], strict=True
    ):
        ends = [of_zone[slot, zone] for zone in zones.split("+")]
        total += joules * of_node.get((slot, node), sum(ends) / len(ends))
    return total / JOULES_PER_KWH


def as_json(run: Run) -> dict[str, Any] | None:
    """Totals of ``run`` for --json; None where it did not negotiate."""
    found = negotiation_totals(run)
    return None if found is None else asdict(found)


def table(study: Study) -> Table | None:
    """One row per run that negotiated, per slot on average and in total; None where none did."""
    rows = []
    for run in study:
        found = negotiation_totals(run)
        if found is None:
            continue
        row: dict[str, Any] = {"policy": run.policy, "seed": run.seed, **asdict(found)}
        row["rounds_per_slot"] = None if found.rounds is None else found.rounds / found.slots
        row |= {f"{name}_per_slot": getattr(found, name) / found.slots for name in _SUMS}
        rows.append(row)
    if not rows:
        return None
    return Table(
        "negotiation",
        "Negotiation: cost of trading without complete information",
        pd.DataFrame(rows),
        (
            Column("policy", "policy", style.policy_label, is_number=False),
            Column("seed", "seed"),
            Column("slots", "slots", units.count),
            Column("rounds_per_slot", "rounds a slot", units.number),
            Column("messages_per_slot", "messages a slot", units.number),
            Column("messages", "in all", units.count),
            Column("bytes_per_slot", "bytes a slot", units.data_bytes),
            Column("bytes", "in all", units.data_bytes),
            Column("energy_j_per_slot", "energy a slot", units.joules),
            Column("energy_j", "in all", units.joules),
            Column("operational_g_per_slot", "emissions a slot", units.grams),
            Column("operational_g", "in all", units.grams),
            Column("silent_nodes", "silent nodes", units.count),
        ),
        note=_NOTE + (_BELIEF if any(row["policy"] == "belief" for row in rows) else ""),
    )


_NOTE = (
    "Messages between nodes and coordinator as encoded, each question and each accepted answer once. Energy: "
    "radio of the nodes, and the network; part of every total. Joules of computing an answer are not modelled."
)
_BELIEF = (
    " Belief trades in a slot what auction trades; the two differ only where a node keeps stored energy for an hour in "
    "which others offered energy on an earlier day: not in runs of one day, without transfers or without batteries."
)
