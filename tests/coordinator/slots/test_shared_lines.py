"""The lines that a slot's end books: parcels, the market's messages, coordinator and router. Pure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from coordinator.policies.registry import make_policy
from coordinator.slots.lines import parcels_of
from coordinator.slots.shared_lines import shared_lines
from protos.messages.runner import EndSlot


def test_shared_lines_are_those_of_their_own_slot(tmp_path: Path, kit: Any) -> None:
    """Slot 2 of the bench: Z0 at 20 + 2 * 10.1 = 40.2 g/kWh, Z1 at 520.2, their mean 280.2; 2 uJ a byte.

    Coordinator: 3 W * 60 s + 7,000 parameters at 1 nJ + 30 examples at 0.1 mJ = 180.003007 J; at 40.2 / 3.6 pg/uJ
    -> 2,010,033,578.17 pg. Router: 4 W * 60 s = 240 J -> 2.68 mg.
    Market: n00 (Z0) heard 4,000 B and said 1,000 B: 10,000 uJ within Z0 -> 111,666.67 pg; n01 (Z1) heard 700 B and said
    300 B: 2,000 uJ at the mean -> 155,666.67 pg.
    """
    bench = kit.Bench(kit.make_config(tmp_path, nodes=2), make_policy("local"))
    bench.join()
    for slot in range(3):
        bench.run_slot(slot)
    books = bench.coordinator.service.books
    state = books.slots[2]
    state.market = {"down_bytes": {"n00": 4_000, "n01": 700}, "up_bytes": {"n00": 1_000, "n01": 300}}
    assert parcels_of(list(state.usage.values())) == ()
    lines = shared_lines(books, state, EndSlot(2, 1.0, 7_000, 30), ())
    bench.close()
    found = {(line["node_id"], line["zone"]): (line["energy_uj"], line["operational_pg"]) for line in lines}
    assert found == {
        ("coordinator", "Z0"): (180_003_007, 2_010_033_578),
        ("router", "Z0"): (240_000_000, 2_680_000_000),
        ("network", "Z0"): (10_000, pytest.approx(111_667, abs=0)),
        ("network", "Z1+Z0"): (2_000, pytest.approx(155_667, abs=0)),
    }
