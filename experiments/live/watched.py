"""The run that is watched: what is new in its folder, and how it stands."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from pyarrow import parquet

from coordinator.ledger import LedgerError
from coordinator.ledger.feed import Feed
from experiments.errors import UsageError
from experiments.live.picture import Picture
from experiments.run_folder.checkpoint import read_lines
from experiments.run_folder.failed import failure_of
from experiments.run_folder.files import COMPARE, COMPARING, DONE, LEDGER, PROGRESS, SCENARIO, table_file
from experiments.run_folder.lock import is_running

OVER = (-1, -1)
"""In place of time and size of the progress: it was read from the table."""


class Standing(StrEnum):
    """How a run stands."""

    WAITING = "waiting"
    """It has not begun to book."""
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    BROKEN_OFF = "broken off"
    """No process runs in its folder, and it is not over."""


class Watched:
    """A run folder, or a compare folder, whose runs are shown one after the other as they go on.

    Args:
        folder: It may be of a run that goes on, or of one that is over.

    Raises UsageError where there is no such folder, or none of a run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not folder.is_dir():
            raise UsageError(
                f"{folder}: no such folder; give that of a run, which `detabed run` names as it begins"
            )
        self._is_comparison = (folder / COMPARING).exists() or (folder / COMPARE).exists()
        if not self._is_comparison and not (folder / SCENARIO).exists():
            raise UsageError(
                f"{folder} is no folder of a run: it has no {SCENARIO}; give one of `detabed run`"
            )
        self._show(self._newest())

    def _show(self, run: Path) -> None:
        self.run = run
        self.picture = Picture()
        self._feed = Feed(run / LEDGER)
        self._progress = (0, 0)

    def _newest(self) -> Path:
        """The run of a comparison that began last."""
        if not self._is_comparison:
            return self.folder
        runs = [path.parent for path in self.folder.glob(f"*/{SCENARIO}")]
        return max(runs, key=lambda run: ((run / SCENARIO).stat().st_mtime_ns, run.name), default=self.folder)

    @property
    def name(self) -> str:
        return self.run.name if self.run == self.folder else f"{self.folder.name}/{self.run.name}"

    def look(self) -> bool:
        """Take in what is new; whether anything is."""
        newest = self._newest()
        changed = newest != self.run
        if changed:
            self._show(newest)
        if not self.folder.is_dir():
            raise UsageError(f"{self.folder} is gone: it was removed or renamed")
        try:
            entries = self._feed.new()
        except LedgerError as error:
            raise UsageError(
                f"{error}; `detabed ledger verify {self.folder}` says what of it holds"
            ) from error
        self.picture.take(entries)
        return self._take_progress() or bool(entries) or changed

    def _take_progress(self) -> bool:
        try:
            found = (self.run / PROGRESS).stat()
        except FileNotFoundError:
            return self._take_rounds()
        seen = (found.st_mtime_ns, found.st_size)
        if seen == self._progress:
            return False
        self._progress = seen
        self.picture.learned(read_lines(self.run))
        return True

    def _take_rounds(self) -> bool:
        """Of a run that is over: its table of rounds, once."""
        path = self.run / table_file("rounds")
        if self._progress == OVER or not path.exists():
            return False
        self._progress = OVER
        try:
            rounds = parquet.read_table(path, columns=["slot", "test_accuracy", "test_loss"]).to_pylist()
        except (OSError, ValueError) as error:
            raise UsageError(f"{path} cannot be read ({error}); restore it from a copy") from error
        self.picture.learned(
            {
                "slot": row["slot"],
                "evaluation": {"accuracy_fraction": row["test_accuracy"], "loss": row["test_loss"]},
            }
            for row in rounds
            if row["test_accuracy"] is not None
        )
        return True

    @property
    def standing(self) -> Standing:
        runs = is_running(self.folder)  # before the marks are looked for: a run sets DONE and then lets go
        if (self.folder / DONE).exists():
            return Standing.FINISHED
        if failure_of(self.folder):
            return Standing.FAILED
        if not runs:
            return Standing.BROKEN_OFF
        return Standing.RUNNING if self.picture.slot is not None else Standing.WAITING

    @property
    def why_failed(self) -> str:
        """Empty where it did not fail."""
        return failure_of(self.folder)
