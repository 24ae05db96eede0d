"""The ledger against a plain model, under random appends, repeats, conflicts, reopenings and crashes."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from coordinator.ledger import Entry, KeyConflictError, Kind, Ledger, Posting, Unit, read_entries, verify
from coordinator.ledger.store import totals

accounts = st.sampled_from(["a", "b", "c"])
amounts = st.integers(-(10**15), 10**15)
keys = st.integers(0, 12).map(lambda n: f"key{n}")


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    postings = []
    for unit in draw(st.lists(st.sampled_from(list(Unit)), max_size=2, unique=True)):
        source, sink, amount = draw(accounts), draw(accounts), draw(amounts)
        postings += [Posting(source, unit, amount), Posting(sink, unit, -amount)]
    body = draw(
        st.dictionaries(st.text(max_size=3), st.integers() | st.floats(allow_nan=False, allow_infinity=False))
    )
    return Entry(Kind.SETTLEMENT, draw(keys), body, tuple(postings), draw(st.none() | st.integers(0, 5)))


class LedgerMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "ledger.sqlite"
        self.ledger = Ledger(self.path, "run")
        self.model: dict[str, Entry] = {}
        self.order: list[str] = []

    @rule(batch=st.lists(entries(), max_size=4))
    def append(self, batch: list[Entry]) -> None:
        wanted = dict(self.model)
        fresh: list[str] = []
        conflict = False
        for entry in batch:
            if entry.key not in wanted:
                wanted[entry.key] = entry
                fresh.append(entry.key)
            elif wanted[entry.key].digest != entry.digest:
                conflict = True
        if conflict:
            with pytest.raises(KeyConflictError):
                self.ledger.write(batch)
            return
        assert self.ledger.write(batch) == len(fresh)
        self.model = wanted
        self.order += fresh

    @rule(batch=st.lists(entries(), min_size=1, max_size=3))
    def repeat_is_harmless(self, batch: list[Entry]) -> None:
        known = [self.model[entry.key] for entry in batch if entry.key in self.model]
        assert self.ledger.write(known) == 0

    @rule()
    def reopen(self) -> None:
        head = self.ledger.head
        self.ledger.close()
        self.ledger = Ledger(self.path, "run")
        assert self.ledger.head == head

    @rule()
    def crash(self) -> None:
        """The file after a kill of the process: database and write-ahead log, not closed."""
        left = self.folder / f"left{len(os.listdir(self.folder))}"
        left.mkdir()
        for part in self.folder.glob("ledger.sqlite*"):
            shutil.copy(part, left / part.name)
        with Ledger(left / "ledger.sqlite", "run") as survivor:
            assert survivor.head == self.ledger.head
        shutil.rmtree(left)

    @invariant()
    def holds_the_model(self) -> None:
        if not hasattr(self, "ledger"):
            return
        stored = [s.entry for s in read_entries(self.path) if s.entry.kind is not Kind.ALARM]
        assert [entry.key for entry in stored] == self.order
        assert all(entry.digest == self.model[entry.key].digest for entry in stored)
        for unit in Unit:
            assert sum(v for (_, u), v in totals(stored).items() if u is unit) == 0

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.ledger.close()
            codes = {finding.code for finding in verify(self.path).findings}
            assert not codes & {"chain", "content", "sums", "order", "file", "guards", "truncated"}
            shutil.rmtree(self.folder)


@pytest.mark.parametrize(
    ("examples", "steps"),
    [(15, 12), pytest.param(10_000, 50, marks=pytest.mark.long)],
)
def test_ledger_does_what_the_model_does(examples: int, steps: int) -> None:
    hypothesis.stateful.run_state_machine_as_test(
        LedgerMachine,
        settings=hypothesis.settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        ),
    )
