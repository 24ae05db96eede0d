"""Regret of every run of a comparison, worked out in a thread as the runs end."""

from __future__ import annotations

import queue
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

from experiments.report.read import Run, load_run
from experiments.resolve.foresight import whole_run
from experiments.resolve.resolved import Resolved
from experiments.runs.regret import IN_IT, NOT_IN_IT, bound_or_reason, regret_of


class Regrets:
    """Reads each finished run and puts it beside the perfect-foresight bound of its seed's day.

    Use as a context manager around the runs: its thread ends with them, also where they are broken off.

    Args:
        folder: Of the comparison.
        beside: Work while later runs go on. Otherwise all is done when it is asked for: where a meter reads what this
            machine does, or slots last as long as the clock says, nothing else may take its time.
    """

    def __init__(self, folder: Path, *, beside: bool) -> None:
        self._folder, self._beside = folder, beside
        self._left: queue.SimpleQueue[tuple[Resolved, str] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="regrets", daemon=True)
        self._days: dict[tuple[int, str], Any] = {}
        """By seed, and by how requests share batches: work is counted in batches."""
        self._error: Exception | None = None
        self._broken_off = False
        self._found: list[dict[str, Any]] = []
        self._runs: dict[str, Run] = {}

    def add(self, resolved: Resolved, name: str) -> None:
        """Of the run in the folder ``name``, which is over. Returns at once."""
        self._left.put((resolved, name))
        if self._beside and not self._thread.ident:
            self._thread.start()

    def finish(self) -> tuple[dict[str, Any], dict[str, Run]]:
        """What compare.json says of all runs added, in their order, and the runs as they were read, by folder name.

        Raises:
            DataError: a run's folder cannot be read.
        """
        self._left.put(None)
        if not self._thread.ident:
            self._thread.start()
        self._thread.join()
        if self._error is not None:
            raise self._error
        return {"in_it": IN_IT, "not_in_it": NOT_IN_IT, "runs": self._found}, self._runs

    def __enter__(self) -> Regrets:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._broken_off = kind is not None
        self._left.put(None)

    def _work(self) -> None:
        try:
            while (one := self._left.get()) is not None and not self._broken_off:
                self._one(*one)
        except Exception as error:  # raised where the result is asked for
            self._error = error

    def _one(self, resolved: Resolved, name: str) -> None:
        day = resolved.scenario.seed, resolved.inference[0].batching
        if day not in self._days:
            fleet = whole_run(resolved)
            self._days[day] = fleet, bound_or_reason(fleet)
        run = self._runs[name] = load_run(self._folder / name)
        self._found.append(regret_of(resolved, run, *self._days[day]).as_dict())
