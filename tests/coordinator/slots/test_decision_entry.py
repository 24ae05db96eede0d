"""A choice for the fleet becomes the slot's decision: the whole entry, by hand."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from coordinator.ledger.entry import Entry, Kind
from coordinator.market.decision import FleetDecision, Optimal
from coordinator.market.pairs import Pairs
from coordinator.negotiation.table import Agreed
from coordinator.policies.guard import Choice
from coordinator.policies.local import Local
from coordinator.slots.conversation import Said
from coordinator.slots.decision_entry import UNLIMITED_UJ, decision_entry, market_entry
from protos.messages.runner import BeginSlot
from protos.messages.terms import Stage

IDS = ("n00", "n02", "n03")


@pytest.fixture
def books(tmp_path: Path, kit: Any) -> Any:
    """Four nodes of which n01 has no telemetry; each with an address of its own."""
    bench = kit.Bench(kit.make_config(tmp_path, nodes=4), Local())
    bench.join()
    made = bench.coordinator.service.books
    for node, state in made.nodes.items():
        state.peer_address = f"{node}:7000"
    yield made
    bench.close()


def choice(**changes: Any) -> Choice:
    values: dict[str, Any] = {
        "batches": np.array([[4, 2, 0], [0, 5, 1], [0, 0, 0]]),
        "transfer_j": np.array([[0.0, 1.5, 0.25], [0.0, 0.0, 4e-7], [2.0, 0.0, 0.0]]),
        "charge_j": np.array([0.5, 1e13, 0.0]),
        "discharge_j": np.array([0.0, 0.75, 1e13]),
        "awake": np.array([True, True, False]),
        "outcome": Optimal(3.5),
        "unserved_batches": np.array([0, 3, 0]),
        "selected": np.array([True, False, True]),
        "notes": {"b": np.float64(2.0), "a": 1},
    }
    return Choice(FleetDecision.dense(**{**values, **changes}), "optimal", 0.01, 3.5, 0.125)


def told(node: str, **changes: Any) -> dict[str, Any]:
    plain = {
        "node_id": node,
        "epoch": 1,
        "slot": 0,
        "stage": Stage.DEVELOPMENT,
        "awake": True,
        "own_batches": 0,
        "sends": (),
        "guests": (),
        "export_uj": 0,
        "charge_uj": 0,
        "discharge_uj": 0,
        "deadline_s": 7.0,
        "self_managed": False,
    }
    assert changes.keys() <= plain.keys()
    return {**plain, **changes}


def send(node: str, batches: int) -> dict[str, Any]:
    return {"executor": node, "address": f"{node}:7000", "batches": batches}


def test_a_decision_whole_by_hand(books: Any) -> None:
    """A transfer of less than half a microjoule is none."""
    entry = decision_entry(books, BeginSlot(0, Stage.DEVELOPMENT, 7.0), IDS, choice())
    plan = {
        "epoch": 1,
        "slot": 0,
        "decisions": (
            told(
                "n00",
                own_batches=4,
                sends=(send("n02", 2),),
                export_uj=1_750_000,
                charge_uj=500_000,
            ),
            told(
                "n02",
                own_batches=5,
                sends=(send("n03", 1),),
                guests=({"owner": "n00", "batches": 2},),
                charge_uj=UNLIMITED_UJ,
                discharge_uj=750_000,
            ),
            told(
                "n03",
                awake=False,
                guests=({"owner": "n02", "batches": 1},),
                export_uj=2_000_000,
                discharge_uj=UNLIMITED_UJ,
            ),
        ),
        "lost_nodes": ("n01",),
        "status": "optimal",
        "gap_fraction": 0.01,
        "decide_s": 0.125,
    }
    body = {
        "stage": "development",
        "node_ids": list(IDS),
        "plan": plan,
        "transfers": [("n00", "n02", 1_500_000), ("n00", "n03", 250_000), ("n03", "n00", 2_000_000)],
        "selected": ["n00", "n03"],
        "unserved": {"n02": 3},
        "objective_g": 3.5,
        "notes": {"a": 1.0, "b": 2.0},
    }
    wanted = Entry(Kind.DECISION, "decision/0", body, (), 0, "")
    assert entry.body == body
    assert (entry, entry.text) == (wanted, wanted.text)
    assert list(entry.body["notes"]) == ["a", "b"]


def test_without_selection_and_of_nodes_that_manage_themselves(books: Any) -> None:
    made = choice(selected=None, unserved_batches=np.zeros(3, dtype=int))
    entry = decision_entry(
        books, BeginSlot(0, Stage.DEVELOPMENT, 0.5), IDS, made, self_managed=True, market={"cost": 7}
    )
    assert entry.body["selected"] is None
    assert entry.body["unserved"] == {}
    assert entry.body["market"] == {"cost": 7}
    decisions = entry.body["plan"]["decisions"]
    assert [one["self_managed"] for one in decisions] == [True] * 3
    assert [one["deadline_s"] for one in decisions] == [books.config.lease_s] * 3


def test_a_clock_that_ran_backward_is_no_time(books: Any) -> None:
    made = Choice(choice().decision, "rule", None, None, -0.5)
    plan = decision_entry(books, BeginSlot(0, Stage.DEVELOPMENT, 1.0), IDS, made).body["plan"]
    assert (plan["decide_s"], plan["gap_fraction"], plan["status"]) == (0.0, None, "rule")


def test_a_market_s_agreement_is_a_decision_of_exchanges_alone(books: Any) -> None:
    """Two batches of n00 run at n03, and n02 gives it energy; all else is each node's own choice."""
    for node, state in books.nodes.items():
        state.boot_id = f"boot-{node}"
    agreed = Agreed(
        Pairs.of(np.array([0]), np.array([2]), np.array([2])),
        Pairs.of(np.array([1]), np.array([2]), np.array([1.5])),
        "rule: negotiated",
        {"traded_j": 1.25},
        {"fills": {"n00": []}},
    )
    said = Said(2, 12, {"n00": 5}, {"n00": 7})
    market: Any = SimpleNamespace(agreed=agreed, nodes=IDS, dropped=["n01"], said=said)
    entry = market_entry(books, BeginSlot(0, Stage.DEVELOPMENT, 7.0), market)
    managed = {"self_managed": True}
    plan = {
        "epoch": 1,
        "slot": 0,
        "decisions": (
            told("n00", sends=(send("n03", 2),), **managed),
            told("n02", export_uj=1_500_000, **managed),
            told("n03", guests=({"owner": "n00", "batches": 2},), **managed),
        ),
        "lost_nodes": ("n01",),
        "status": "rule: negotiated",
        "gap_fraction": None,
        "decide_s": 0.0,
    }
    body = {
        "stage": "development",
        "node_ids": list(IDS),
        "plan": plan,
        "transfers": [("n02", "n03", 1_500_000)],
        "selected": None,
        "unserved": {},
        "objective_g": None,
        "notes": {"traded_j": 1.25},
        "boots": {node: f"boot-{node}" for node in IDS},
        "market": {
            "record": {"fills": {"n00": []}},
            "silent": ["n01"],
            "rounds": 2,
            "messages": 12,
            "down_bytes": {"n00": 5},
            "up_bytes": {"n00": 7},
        },
    }
    assert entry.body == body
    wanted = Entry(Kind.DECISION, "decision/0", body, (), 0, "")
    assert (entry, entry.text) == (wanted, wanted.text)
