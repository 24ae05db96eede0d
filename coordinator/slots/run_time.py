"""Run time: when slots on the wall clock are due and ended, in seconds since the first was decided. Pure.

A fold over the ledger's slot ends; ``schedule`` maps it to a clock. Why: docs/decisions/0026-wall-clock.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from protos.messages.terms import Overrun

GRACE_FRACTION = 0.1
"""A slot that can begin late by at most this share of its length is held, with less time (choice)."""


MOST_BEHIND = 10
"""So many missed slots in a row may make a run later, beyond those that let it catch up (choice)."""


@dataclass(frozen=True, slots=True)
class RunTime:
    """Of slots of ``slot_s`` seconds; without ``overrun``: the virtual clock, on which nothing is due."""

    slot_s: float
    overrun: Overrun | None
    due_s: float
    """When the open slot, or the next one, is due to end."""
    end_s: float = 0.0
    """When the last slot ended, and the one after it began."""
    overran_s: float = 0.0
    """How long after its due end the last slot was still at work."""
    behind: int = 0
    """Missed slots in a row that made the run later, less those that let it catch up; one long delay is one."""

    @classmethod
    def start(cls, slot_s: float, overrun: Overrun | None) -> RunTime:
        """Before the first slot."""
        return cls(slot_s, overrun, due_s=slot_s)

    @property
    def is_missed(self) -> bool:
        """Whether the next slot's time went by while the last one overran."""
        return self.overrun is Overrun.SKIP and self.overran_s > GRACE_FRACTION * self.slot_s

    @property
    def falls_behind(self) -> bool:
        """Whether missing slots does not help: to decide and end one takes longer than it lasts."""
        return self.behind >= MOST_BEHIND

    def after(self, duration_s: float, overrun_s: float) -> RunTime:
        """After a slot that ended ``duration_s`` after it began, its work ``overrun_s`` after it was due."""
        end_s = self.end_s + duration_s
        stretched_s = overrun_s if self.overrun is Overrun.STRETCH else 0.0
        # A slot that nobody lived through ended early: the next one is not longer for it.
        due_s = min(self.due_s, end_s) + stretched_s + self.slot_s
        later = 1 if overrun_s >= self.overran_s else -1
        behind = max(0, self.behind + later) if self.is_missed else 0
        return replace(self, end_s=end_s, overran_s=overrun_s, due_s=due_s, behind=behind)
