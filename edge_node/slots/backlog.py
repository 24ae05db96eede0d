"""A node's own work not yet done: released by slot, due by deadline, taken earliest deadline first. Pure."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from protos.messages.terms import Stage


@dataclass(frozen=True, slots=True, order=True)
class Batch:
    """One own batch. Ordered by deadline, then number: the order in which batches are taken."""

    deadline: int
    """Last slot in which it may run."""
    batch_id: int
    """Its number in the workload."""
    stage: Stage
    released: int


class Backlog:
    """Batches of all stages by deadline.

    A batch released in slot r may run until slot r + q, but only in slots of its own stage: its deadline is
    the last such slot. Numbers follow from the slot alone, so that a restarted node names the same batches.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        deadline_slots: int,
        releases: Callable[[Stage], int],
        requests: Sequence[int] | None = None,
        requests_deadline_slots: int | None = None,
        demand: Sequence[int] | None = None,
    ) -> None:
        """``releases``: batches released in a slot of that stage.

        ``requests``: batches released in each slot of the application stage (by slot of the run), where
        arrivals are random; ``requests_deadline_slots``: their own, tighter deadline.
        ``demand``: batches released in each slot of the run, in place of ``releases``.
        """
        self._stages = tuple(stages)
        self._deadline_slots = deadline_slots
        tighter = deadline_slots if requests_deadline_slots is None else requests_deadline_slots
        self._requests_deadline_slots = min(deadline_slots, tighter)
        self._released = [
            demand[slot]
            if demand is not None
            else requests[slot]
            if requests is not None and stage is Stage.APPLICATION
            else releases(stage)
            for slot, stage in enumerate(self._stages)
        ]
        self._first_id: list[int] = []
        counted: dict[Stage, int] = {}
        for stage, count in zip(self._stages, self._released, strict=True):
            self._first_id.append(counted.get(stage, 0))
            counted[stage] = counted.get(stage, 0) + count
        self._waiting: list[Batch] = []

    def deadline(self, slot: int) -> int:
        """Last slot in which work released in ``slot`` may run."""
        serving = self._stages[slot] is Stage.APPLICATION
        patience = self._requests_deadline_slots if serving else self._deadline_slots
        last = min(slot + patience, len(self._stages) - 1)
        return max(t for t in range(slot, last + 1) if self._stages[t] is self._stages[slot])

    def release(self, slot: int) -> None:
        """Add the batches released in ``slot``; call once per slot, in order."""
        stage, first, deadline = self._stages[slot], self._first_id[slot], self.deadline(slot)
        self.put_back(Batch(deadline, first + k, stage, slot) for k in range(self._released[slot]))

    def put_back(self, batches: Iterable[Batch]) -> None:
        """Batches taken and not run after all."""
        for batch in batches:
            bisect.insort(self._waiting, batch)

    def take(self, stage: Stage, count: int) -> list[Batch]:
        """Up to ``count`` batches of ``stage``, earliest deadline first."""
        taken = [batch for batch in self._waiting if batch.stage is stage][:count]
        chosen = set(taken)
        self._waiting = [batch for batch in self._waiting if batch not in chosen]
        return taken

    def waiting(self, stage: Stage) -> list[Batch]:
        """Batches of ``stage`` not yet done, earliest deadline first."""
        return [batch for batch in self._waiting if batch.stage is stage]

    def remove(self, batches: Iterable[Batch]) -> None:
        """Take exactly these."""
        chosen = set(batches)
        self._waiting = [batch for batch in self._waiting if batch not in chosen]

    def held(self) -> tuple[Batch, ...]:
        """All batches not yet done."""
        return tuple(self._waiting)

    def recall(self, runs: Iterable[tuple[int, int, int]]) -> None:
        """Take up what another start of the node held: (slot of release, number of the first, how many)."""
        for released, first, count in runs:
            deadline, stage = self.deadline(released), self._stages[released]
            self.put_back(Batch(deadline, first + k, stage, released) for k in range(count))

    def released_in(self, slot: int) -> int:
        """d_i(r): batches released in ``slot``."""
        return self._released[slot]

    def expire(self, slot: int) -> list[Batch]:
        """Remove and return what can no longer run once ``slot`` is over: unserved batches."""
        expired = [batch for batch in self._waiting if batch.deadline <= slot]
        self._waiting = [batch for batch in self._waiting if batch.deadline > slot]
        return expired

    def counts(self, slot: int) -> tuple[int, ...]:
        """(q+1,) batches of the slot's stage by slots left to their deadline; index 0 must be done now."""
        counts = [0] * (self._deadline_slots + 1)
        for batch in self._waiting:
            if batch.stage is self._stages[slot]:
                counts[max(0, batch.deadline - slot)] += 1
        return tuple(counts)

    def forecast(self, slot: int, horizon: int) -> tuple[int, ...]:
        """(horizon-1,) batches to be released in the slots after ``slot``; none after the run's end."""
        following = self._released[slot + 1 : slot + horizon]
        return (*following, *[0] * (horizon - 1 - len(following)))
