"""A picture as JSON, for the page."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from carbon_data.units import from_micro, from_pico
from coordinator.ledger import Unit
from experiments.live.picture import NodePicture, Picture
from experiments.live.watched import Watched

NODES_SHOWN = 300
"""Nodes that have a row of their own on the page: those that emitted most."""
CORNERS = 24
"""Most ends of flows that are drawn one by one; beyond it flows are summed by zone."""


def told(watched: Watched) -> dict[str, Any]:
    """All that the page shows. Missing is null, never zero."""
    picture = watched.picture
    grams, joules = by_node(picture)
    nodes = sorted(picture.nodes.values(), key=lambda node: -grams[node.node_id])
    latest = max(picture.evaluations, default=None)
    return {
        "name": watched.name,
        "standing": str(watched.standing),
        "why": watched.why_failed,
        "run_id": picture.config.get("run_id"),
        "policy": picture.config.get("policy"),
        "seed": picture.config.get("seed"),
        "slot": picture.slot,
        "slots": picture.slots,
        "ended": picture.ended,
        "stage": picture.stage,
        "emissions_g": picture.emissions_g,
        "energy_j": picture.energy_j,
        "grid_j": picture.grid_j,
        "evaluation": None if latest is None else {"slot": latest, **picture.evaluations[latest]},
        "accuracy": [
            [slot, found["accuracy_fraction"]] for slot, found in sorted(picture.evaluations.items())
        ],
        "stages": list(picture.config.get("stages", ())),
        "history": picture.history,
        "rows": picture.is_rows,
        "node_count": len(picture.nodes) or len(picture.config.get("node_ids", ())),
        "nodes": [
            _node(picture, node, grams[node.node_id], joules[node.node_id])
            for node in sorted(nodes[:NODES_SHOWN], key=lambda node: node.node_id)
        ],
        "flows": _flows(picture),
        "faults": picture.faults[::-1],
        "fault_count": picture.fault_count,
    }


def by_node(picture: Picture) -> tuple[dict[str, float], dict[str, float]]:
    """Grams and joules of each node so far, all stages and components."""
    grams: dict[str, float] = defaultdict(float)
    joules: dict[str, float] = defaultdict(float)
    for (account, unit), amount in picture.balances.items():
        parts = account.split("/")
        if parts[0] == "node" and len(parts) > 2 and parts[2] == "stage":
            if unit is Unit.PICOGRAMS:
                grams[parts[1]] -= from_pico(amount)
            else:
                joules[parts[1]] += from_micro(amount)
    return grams, joules


def _node(picture: Picture, node: NodePicture, grams: float, joules: float) -> dict[str, Any]:
    return {
        "id": node.node_id,
        "zone": node.zone,
        "g_per_kwh": picture.intensity_of(node.zone, picture.slot),
        "awake": node.awake,
        "battery_j": node.battery_j if node.capacity_j else None,
        "capacity_j": node.capacity_j,
        "demand_j": node.demand_j,
        "grid_j": node.grid_j,
        "green_j": node.green_j,
        "batches": node.batches,
        "meter": node.meter,
        "gaps": node.gaps,
        "emissions_g": grams,
        "energy_j": joules,
    }


def _flows(picture: Picture) -> dict[str, Any]:
    """Those of the slot that was closed last, between nodes or, where they are many, between zones."""
    ends = {end for flow in (*picture.batch_flows, *picture.energy_flows) for end in flow[:2]}
    by_zone = max(len(ends), len(picture.nodes)) > CORNERS

    def place(node_id: str) -> str:
        node = picture.nodes.get(node_id)
        return node.zone if by_zone and node is not None else node_id

    def summed(flows: list[tuple[str, str, Any]]) -> list[list[Any]]:
        sums: dict[tuple[str, str], Any] = defaultdict(int)
        for source, target, amount in flows:
            sums[place(source), place(target)] += amount
        return [[source, target, amount] for (source, target), amount in sorted(sums.items())]

    return {
        "slot": picture.flows_slot,
        "by_zone": by_zone,
        "places": list(dict.fromkeys(place(node_id) for node_id in sorted(picture.nodes))),
        "batches": summed(picture.batch_flows),
        "energy": summed(picture.energy_flows),
    }
