"""The durable state of a run, as a fold over the ledger's entries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from coordinator.ledger.entry import Kind, LedgerError
from coordinator.ledger.store import read_entries
from coordinator.policies.registry import make_policy
from coordinator.slots.books import Books
from coordinator.slots.state import Phase


def test_a_ledger_whose_slot_ends_untraded_is_refused(tmp_path: Path, kit: Any) -> None:
    bench = kit.Bench(kit.make_config(tmp_path, nodes=2), make_policy("deta"))
    bench.join()
    bench.run_slot(0)
    bench.close()
    entries = [stored.entry for stored in read_entries(bench.config.ledger_path)]
    whole = Books(bench.config)
    for entry in entries:
        whole.apply(entry)
    assert whole.slots[0].phase is Phase.ENDED
    books = Books(bench.config)
    untraded = (entry for entry in entries if entry.kind is not Kind.TRADE)
    with pytest.raises(LedgerError, match="slot_end of slot 0, which is running; allowed is trade"):
        books.enter(untraded)
