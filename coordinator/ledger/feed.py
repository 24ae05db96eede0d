"""The ledger of a run that goes on, read by others than its writer: what is new since the last look."""

from __future__ import annotations

from pathlib import Path

from coordinator.ledger.store import LedgerEmptyError, StoredEntry, read_entries


class Feed:
    """New entries of a ledger file that another process writes. It never writes, and holds nothing open.

    Args:
        path: The file; it need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._last_id = 0

    def new(self) -> list[StoredEntry]:
        """Entries committed since the last call, in order; none where there is no file, or nothing in it yet.

        Raises LedgerError where the file is no ledger.
        """
        if not self.path.exists():
            return []
        try:
            found = list(read_entries(self.path, after=self._last_id))
        except LedgerEmptyError:
            return []
        if found:
            self._last_id = found[-1].id
        return found
