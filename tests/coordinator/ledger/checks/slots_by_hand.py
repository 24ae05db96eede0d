"""Two slots of a virtual fleet by hand, and changes of the second."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from coordinator.columns.decision import TransferColumns
from coordinator.columns.lines import NodeLines
from coordinator.columns.postings import slot_postings
from coordinator.columns.trade import SettledColumns
from coordinator.ledger.checks import columns as columns_module
from coordinator.ledger.checks.facts import Facts
from coordinator.ledger.checks.item import Item
from coordinator.ledger.columns import column_entry
from coordinator.ledger.entry import Kind, Posting, Unit
from protos.messages.terms import Component, Stage

Change = Callable[[dict[str, Any], dict[str, Any]], None]


def plus(name: str, amount: int = 1, row: int = 0) -> Change:
    def change(_: dict[str, Any], columns: dict[str, Any]) -> None:
        columns[name] = columns[name].copy()
        columns[name].ravel()[row] += amount

    return change


def says(**changes: Any) -> Change:
    return lambda body, _: body.update(changes)


ZONES = ("A", "B", "A", "C")
SERIES = {"A": (100.0, 36.0), "B": (50.0, 9.0), "C": (7.0, 412.37)}
CONFIG = {
    "zones": [{"zone": zone, "intensity_g_per_kwh": series} for zone, series in SERIES.items()],
    "node_ids": ["n0", "n1", "n2", "n3"],
    "limits": {"net_j_per_byte": 2e-6},
    "body": {"zone": "B", "static_w": 3.0, "router_w": 1.5},
    "slot_s": 60.0,
}
NAMES = [["development", "compute"], ["development", "static"], ["unallocated", "static"]]
FLOWS: dict[str, list[int]] = {
    "demand_uj": [1000, 501, 0, 90],
    "grid_uj": [301, 501, 0, 7],
    "green_uj": [699, 0, 0, 83],
    "harvest_uj": [900, 0, 40, 60],
    "charge_uj": [31, 0, 20, 0],
    "charge_loss_uj": [3, 0, 2, 0],
    "discharge_uj": [0, 0, 0, 30],
    "discharge_loss_uj": [0, 0, 0, 3],
    "self_discharge_uj": [1, 0, 2, 4],
    "export_uj": [170, 0, 0, 11],
    "import_uj": [0, 0, 160, 5],
    "curtailed_uj": [0, 0, 180, 1],
    "battery_before_uj": [473, 0, 984, 137],
    "battery_after_uj": [500, 0, 1000, 100],
}
"""Nodes 0 and 2 end with a full battery; (D1) to (D3) by hand."""
COLUMNS_OF_SLOT: dict[str, Any] = {
    "awake": [True, True, True, False],
    "selected": [True, True, False, True],
    "released_batches": [4, 4, 4, 0],
    "due_batches": [6, 5, 4, 0],
    "own_batches": [3, 5, 0, 0],
    "executed_batches": [3, 7, 1, 0],
    "missed_batches": [0, 0, 0, 0],
    **FLOWS,
    "line_energy_uj": [[600, 300, 100], [500, 0, 1], [0, 0, 0], [0, 0, 90]],
    "line_grid_uj": [[181, 90, 30], [500, 0, 1], [0, 0, 0], [0, 0, 7]],
    "line_pg": [[1806, 903, 301], [1250, 0, 2], [0, 0, 0], [0, 0, 802]],
    "donor": [0, 0, 3],
    "recipient": [2, 3, 2],
    "decided_uj": [160, 10, 30],
    "sent_uj": [160, 10, 11],
    "received_uj": [150, 5, 10],
    "owner": [0, 0],
    "executor": [1, 2],
    "moved_batches": [2, 1],
    "payload_bytes": [3, 5],
    "network_uj": [6, 10],
    "network_pg": [38, 100],
}
"""Lines: 301 uJ at 36 g/kWh are 3,010 pg, 501 at 9 are 1,252.5, half to even; 7 at 412.37 are 801.8. Six microjoules
move at the mean of 36 and 9: 37.5 pg, half to even."""


def shared_lines() -> list[dict[str, Any]]:
    def line(node: str, zone: str, component: str, energy: int, grams: int) -> dict[str, Any]:
        return {
            "node_id": node,
            "zone": zone,
            "stage": "development",
            "component": component,
            "energy_uj": energy,
            "grid_uj": energy,
            "operational_pg": grams,
        }

    return [
        line("network", "A+B", "network", 6, 38),
        line("network", "A", "network", 10, 100),
        line("coordinator", "B", "coordinator", 180_000_000, 450_000_000),
        line("router", "B", "router", 90_000_000, 225_000_000),
    ]


def by_hand(
    change: Change = lambda _, __: None,
    added: tuple[Posting, ...] = (),
    slot: int = 1,
    config: dict[str, Any] = CONFIG,
) -> tuple[list[list[str]], dict[str, int]]:
    """Findings of a fleet and two slots, the second of them changed, and the notices."""
    found: list[list[str]] = []
    facts = Facts()
    checks = columns_module.ColumnSlots(lambda *each: found.append(list(each)), facts)
    checks.take_start(Item(Kind.START, "start/1", None, "", {"config": config}, (), "start", 0))
    checks.take_start(Item(Kind.START, "start/2", None, "", {"epoch": 2}, (), "start", 0))

    def given(kind: Kind, body: dict[str, Any], columns: dict[str, Any], at: int | None) -> tuple[Any, Any]:
        entry = column_entry(kind, "key", body, {n: np.array(c) for n, c in columns.items()}, (), at)
        return entry.body, entry.data

    profiles = [
        {"zone": "A", "battery_capacity_uj": 500},
        {"zone": "B", "battery_capacity_uj": 0},
        {"zone": "A", "battery_capacity_uj": 1000},
        {"zone": "C", "battery_capacity_uj": 140},
    ]
    opening = (
        Posting("nodes/battery", Unit.MICROJOULES, 1594),
        Posting("nodes/opening", Unit.MICROJOULES, -1594),
    )
    held = FLOWS["battery_before_uj"]
    body, block = given(
        Kind.FLEET, {"profiles": profiles}, {"profile": [0, 1, 2, 3], "battery_uj": held}, None
    )
    checks.take_fleet(Item(Kind.FLEET, "fleet", None, "", body, opening, "fleet", 0, block))
    assert found == [], found
    for number in (0, 1):
        columns = {name: np.array(column) for name, column in COLUMNS_OF_SLOT.items()}
        shared: list[dict[str, Any]] = shared_lines()
        if number == 0:  # a slot in which nothing happens but that coordinator and router run
            columns = {name: np.zeros_like(column) for name, column in columns.items()}
            for name in ("donor", "recipient", "decided_uj", "sent_uj", "received_uj"):
                columns[name] = columns[name][:0]
            for name in ("owner", "executor", "moved_batches", "payload_bytes", "network_uj", "network_pg"):
                columns[name] = columns[name][:0]
            columns["battery_before_uj"] = columns["battery_after_uj"] = np.array(held)
            shared = [dict(line) for line in shared[2:]]
            shared[0]["operational_pg"], shared[1]["operational_pg"] = 2_500_000_000, 1_250_000_000
        body = {
            "stage": "development",
            "epoch": 1,
            "status": "rule",
            "line_names": NAMES,
            "lines": shared,
            "summary": {
                "slot": number,
                "emissions_pg": int(columns["line_pg"].sum())
                + sum(each["operational_pg"] for each in shared),
                "grid_uj": int(columns["grid_uj"].sum()) + sum(each["energy_uj"] for each in shared),
                "green_uj": int(columns["green_uj"].sum()),
                "demand_uj": int(columns["demand_uj"].sum()) + sum(each["energy_uj"] for each in shared),
                "moved_batches": int(columns["moved_batches"].sum()),
                "transferred_uj": int(columns["sent_uj"].sum()),
                "executed_batches": int(columns["own_batches"].sum() + columns["moved_batches"].sum()),
                "unserved_batches": 0,
            },
        }
        lines = NodeLines(columns["line_grid_uj"], columns["line_pg"])
        trade = SettledColumns(
            TransferColumns(columns["donor"], columns["recipient"], columns["decided_uj"]),
            columns["sent_uj"],
            columns["received_uj"],
        )
        names = [(Stage(stage), Component(component)) for stage, component in NAMES]
        flows = {name: columns[name] for name in FLOWS}
        postings = slot_postings(flows, names, columns["line_energy_uj"], lines, trade, shared)
        at: int = number
        if number == 1:
            change(body, columns)
            postings, at = (*postings, *added), slot
        told, block = given(Kind.SLOT, body, columns, at)
        checks.take_slot(Item(Kind.SLOT, f"slot/{at}", at, "", told, postings, f"slot {at}", 0, block))
        if number == 0:
            assert found == [], found
    return found, dict(facts.counts)


def line_change(place: int, name: str, value: Any) -> Change:
    def change(body: dict[str, Any], _: dict[str, Any]) -> None:
        body["lines"][place] = {**body["lines"][place], name: value}

    return change


def moved(name: str, row: int, amount: int, start: int = 0, end: int = 1) -> Change:
    """Between two lines of one node; the node's sum stays."""

    def change(_: dict[str, Any], columns: dict[str, Any]) -> None:
        columns[name] = columns[name].copy()
        columns[name][row, start] -= amount
        columns[name][row, end] += amount

    return change


def summary_of(name: str) -> Change:
    def change(body: dict[str, Any], _: dict[str, Any]) -> None:
        body["summary"] = {**body["summary"], name: body["summary"][name] + 1}

    return change


def put(name: str, value: Any) -> Change:
    def change(_: dict[str, Any], columns: dict[str, Any]) -> None:
        columns[name] = np.array(value)

    return change


def without_selection(_: dict[str, Any], columns: dict[str, Any]) -> None:
    del columns["selected"]


def both(*changes: Change) -> Change:
    def change(body: dict[str, Any], columns: dict[str, Any]) -> None:
        for one in changes:
            one(body, columns)

    return change


NUMBERS = [
    name
    for name in COLUMNS_OF_SLOT
    if name not in ("awake", "selected", "owner", "executor", "donor", "recipient")
]
CHANGES: dict[str, Change] = {
    **{f"{name} + 1 in row 1": plus(name, 1, 1) for name in NUMBERS},
    **{f"{name} - 2000 in row 0": plus(name, -2000, 0) for name in NUMBERS},
    **{f"{name} + 1 in rows 0 and 1": both(plus(name, 1, 0), plus(name, 1, 1)) for name in NUMBERS},
    **{
        f"summary of {name}": summary_of(name)
        for name in ("slot", "grid_uj", "demand_uj", "unserved_batches")
    },
    **{
        f"line {place}: {name}": line_change(place, name, value)
        for place in range(4)
        for name, value in (
            ("node_id", "router"),
            ("zone", "C"),
            ("stage", "recycling"),
            ("component", "static"),
            ("energy_uj", 7),
            ("grid_uj", 7),
            ("operational_pg", 7),
        )
    },
    **{
        f"{amount} of {name} of node 0 on another line": moved(name, 0, amount)
        for name in ("line_grid_uj", "line_pg")
        for amount in (1, 2, 3, 4, -1, -2, -3, -4)
    },
    "energy on a line of a node without any": moved("line_grid_uj", 2, 1),
    "all asleep": put("awake", [False] * 4),
    "all awake": put("awake", [True] * 4),
    "no node selected": put("selected", [False] * 4),
    "all selected": put("selected", [True] * 4),
    "no selection": without_selection,
    "no training": says(stage="application"),
    "another training": says(stage="recycling"),
    "executors swapped": put("executor", [2, 1]),
    "owners swapped": put("owner", [0, 1]),
    "donors swapped": put("donor", [3, 0, 0]),
    "to itself": put("recipient", [2, 0, 2]),
    "received all": put("received_uj", [160, 10, 11]),
    "received nothing": put("received_uj", [150, 0, 10]),
    "decided less": put("decided_uj", [159, 10, 30]),
    "received below nothing": put("received_uj", [-1, 5, 10]),
    "another epoch": says(epoch=2),
    "by fallback": says(status="fallback: local rule"),
    "no lines": says(lines=[]),
    "line names swapped": says(line_names=[NAMES[1], NAMES[0], NAMES[2]]),
}
