"""Names of the columns and rows of a program, written out for two nodes and two slots."""

from __future__ import annotations

import pytest

from coordinator.market.layout import COLUMN_MEANING, Restrictions, Shape, layout_for

ALL = Restrictions(transfers=True, offloading=True, harvest=True)
NONE = Restrictions(transfers=False, offloading=False, harvest=True)
SLOTS = ["t0", "t1"]
WAITING = ["r0d0", "r0d1", "r1d1"]
"""Classes where work may wait a slot: due now, due next, and released next."""
AT_ONCE = ["r0d0", "r1d1"]


def names(blocks: dict[str, list[str]], first: dict[str, list[str]]) -> list[str]:
    return [
        f"{block}.{a}.{b}"
        for block, second in blocks.items()
        for a in first.get(block, ["x", "y"])
        for b in second
    ]


def test_names_of_everything_by_hand() -> None:
    layout = layout_for(Shape(2, 2, 1, ALL, sleep=True, carries_cap=True, steps=2))
    pairs = ["x.y", "y.x"]
    entries = ["r0d0.t0", "r0d1.t0", "r0d1.t1", "r1d1.t1"]
    columns = {
        **dict.fromkeys(("g", "u", "k", "bp", "bm", "B"), SLOTS),
        "v": ["s0", "s1"],
        "home": entries,
        "unserved": WAITING,
        "left": WAITING,
        "w": SLOTS,
        "away": entries,
        "x": SLOTS,
        "m": SLOTS,
        "a": SLOTS,
        "z": SLOTS,
    }
    assert layout.column_names(["x", "y"]) == names(columns, {"w": pairs, "x": pairs})
    through = layout_for(Shape(2, 2, 1, ALL, sleep=True, carries_cap=True, steps=2, hub=True))
    assert through.columns.keys() == layout.columns.keys() - {"w", "x"} | {"O", "G", "X", "R"}
    assert layout.columns.keys() | through.columns.keys() == COLUMN_MEANING.keys()
    rows = {
        "D1_energy_use": SLOTS,
        "D2_green_bus": SLOTS,
        "D3_battery": SLOTS,
        "D9_stored_value": ["t1"],
        "D4_all_work_done": WAITING,
        "D4_split": SLOTS,
        "D5_offload_cap": WAITING,
        "D6_transfer_cap": SLOTS,
        "D7_time": SLOTS,
        "D7_storage": SLOTS,
        "D8_wake_up": SLOTS,
    }
    assert layout.row_names(["x", "y"]) == names(rows, {})


@pytest.mark.parametrize("restrictions", [ALL, NONE])
def test_names_of_a_program_without_waiting_and_sleep_by_hand(restrictions: Restrictions) -> None:
    layout = layout_for(Shape(2, 2, 0, restrictions, sleep=False))
    pairs = ["x.y", "y.x"]
    freedom = restrictions.offloading
    columns = {
        **dict.fromkeys(("g", "u", "k", "bp", "bm", "B"), SLOTS),
        "home": ["r0d0.t0", "r1d1.t1"],
        "unserved": AT_ONCE,
        **({"w": SLOTS, "x": SLOTS} if freedom else {}),
    }
    assert layout.column_names(["x", "y"]) == names(columns, {"w": pairs, "x": pairs})
    rows = {
        **dict.fromkeys(("D1_energy_use", "D2_green_bus", "D3_battery"), SLOTS),
        "D4_all_work_done": AT_ONCE,
        **({"D5_offload_cap": AT_ONCE, "D6_transfer_cap": SLOTS} if freedom else {}),
        "D7_time": SLOTS,
        **({"D7_storage": SLOTS} if freedom else {}),
    }
    assert layout.row_names(["x", "y"]) == names(rows, {})


def test_node_ids_become_names_that_a_solver_reads() -> None:
    layout = layout_for(Shape(2, 1, 0, NONE, sleep=False))
    assert layout.row_names(["edge-1", "b c"])[:2] == ["D1_energy_use.edge_1.t0", "D1_energy_use.b_c.t0"]
    assert layout.row_names(["a-b", "a b"])[:2] == ["D1_energy_use.a_b_0.t0", "D1_energy_use.a_b_1.t0"]
