"""Slots on the wall clock: durations where there is such a clock and nowhere else, which slots were missed, and what
was not done.

Written apart from coordinator.slots.run_time on purpose: a fault there must not hide itself here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from carbon_data.types import Provenance
from coordinator.ledger.checks.facts import Facts
from coordinator.ledger.checks.item import Add, Item
from protos.messages.terms import Overrun

GRACE_FRACTION = 0.1
ROUNDING_S = 1e-6


class WallClock:
    def __init__(self, add: Add, facts: Facts) -> None:
        self._add, self._facts = add, facts
        self._overrun: str | None = None
        self._slot_s = self._due_s = 0.0
        self._end_s = self._overran_s = 0.0
        self._counted: Counter[tuple[int, str]] = Counter()

    def take_start(self, item: Item) -> None:
        """The first start holds the configuration."""
        if "config" in item.body:
            self._overrun = item.body["config"].get("overrun")
            self._slot_s = self._due_s = item.body["config"]["slot_s"]

    def take_decision(self, item: Item) -> None:
        """Missed is a slot after one that overran by more than a tenth, where such slots are skipped."""
        missed = self._overrun == Overrun.SKIP and self._overran_s > GRACE_FRACTION * self._slot_s
        told = [one.get("missed", False) for one in item.body["plan"]["decisions"]]
        if told != [missed] * len(told):
            late = f"the slot before overran by {self._overran_s:g} s"
            self._add(
                "wall", item.where, f"tells {told.count(True)} of {len(told)} nodes it was missed; {late}"
            )

    def take_usage(self, item: Item) -> None:
        """A sensor's window is the slot's, unless it was replayed."""
        lasted_s, told = item.body.get("duration_s"), item.body.get("metered")
        self._clock(item, lasted_s)
        replayed = {line["provenance"] for line in item.body["lines"]} == {str(Provenance.REPLAYED)}
        if lasted_s is not None and told is not None and not replayed and told["window_s"] != lasted_s:
            self._add("wall", item.where, f"lasted {lasted_s} s, its meter's window {told['window_s']} s")
        if item.slot in self._facts.ended:
            return
        for ran in item.body["executed"]:
            if (decided := self._facts.decided(item.slot, ran["owner"])) is not None:
                at = item.slot, ran["owner"]
                left = self._facts.decided_batches(item.slot, decided) - self._counted[at]
                self._counted[at] += max(0, min(ran["batches"], left))

    def take_slot_end(self, item: Item) -> None:
        wall = item.body.get("wall")
        self._clock(item, wall)
        if wall is None:
            return
        self._end_s += wall["duration_s"]
        self._overran_s = wall["overrun_s"]
        if not 0 <= self._overran_s <= max(0.0, self._end_s - self._due_s) + ROUNDING_S:
            late = f"{self._end_s - self._due_s:g} s after it was due"
            self._add("wall", item.where, f"overran by {self._overran_s:g} s, and ended {late}")
        stretched_s = self._overran_s if self._overrun == Overrun.STRETCH else 0.0
        self._due_s = min(self._due_s, self._end_s) + stretched_s + self._slot_s
        undone = self._undone(item.slot)
        if wall["undone_batches"] != undone:
            self._add(
                "wall", item.where, f"leaves {wall['undone_batches']} batches undone, its entries {undone}"
            )

    def _undone(self, slot: int) -> int:
        decided: list[Mapping[str, Any]] = self._facts.decisions[slot]["plan"]["decisions"]
        return sum(
            self._facts.decided_batches(slot, one) - self._counted[slot, one["node_id"]] for one in decided
        )

    def _clock(self, item: Item, said: object) -> None:
        """A duration belongs to the wall clock and to no other."""
        if (said is None) != (self._overrun is None):
            clock = "virtual" if self._overrun is None else "wall"
            self._add("wall", item.where, f"says {said} of its duration, in a run on the {clock} clock")
