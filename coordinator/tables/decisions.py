"""Table ``decisions``: how every slot was decided, and what negotiating cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from coordinator.market.decision import PAIRWISE_FORM
from coordinator.tables.recorded import RecordedRun, Row


def decision_rows(run: RecordedRun) -> Iterable[Row]:
    for slot, decision in sorted(run.decisions.items()):
        market = decision.get("market")
        yield {
            **({} if market is None else _market_cells(market)),
            **_wall_cells(decision, run.ends.get(slot, {}).get("wall")),
            "slot": slot,
            "epoch": decision["plan"]["epoch"],
            "status": decision["plan"]["status"],
            "gap_fraction": decision["plan"]["gap_fraction"],
            "objective_g": decision["objective_g"],
            "nodes": len(decision["node_ids"]),
            "lost_nodes": len(decision["plan"]["lost_nodes"]),
            "unserved_batches": sum(decision["unserved"].values()),
            **_handed(decision),
            **form_cells(decision.get("notes") or {}),
        }


def _handed(decision: Mapping[str, Any]) -> Row:
    """Batches whose prompts their owner was to read, for another node to answer; {} where none were."""
    sends = [send for one in decision["plan"]["decisions"] for send in one["sends"]]
    handed = sum(send.get("handed", 0) for send in sends)
    return {"handed_batches": handed} if handed else {}


def form_cells(notes: Mapping[str, float]) -> Row:
    """Why a large fleet was decided in the pairwise form, where it was."""
    found = [name.removeprefix(PAIRWISE_FORM) for name in notes if name.startswith(PAIRWISE_FORM)]
    return {"pairwise_reason": "; ".join(found)} if found else {}


def _wall_cells(decision: Mapping[str, Any], wall: Mapping[str, Any] | None) -> Row:
    """How long the slot was on the wall clock, by how much it overran, and what was left undone in it."""
    if wall is None:
        return {}
    missed = any(one.get("missed", False) for one in decision["plan"]["decisions"])
    return {**wall, "missed": missed}


def _market_cells(market: Mapping[str, Any]) -> Row:
    """Messages and bytes of a slot's negotiation; each message counts once (coordinator.slots.conversation.Said)."""
    return {
        "market_rounds": market.get("rounds"),
        "market_messages": market["messages"],
        "market_bytes": sum(market["down_bytes"].values()) + sum(market["up_bytes"].values()),
        "market_silent_nodes": len(market["silent"]),
    }
