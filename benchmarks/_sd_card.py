"""Energy of durable commits on an SD card, by a model: what SQLite wrote, at the card's rate and power.

A card of application performance class A1 does at least 500 random writes of 4 KiB a second (SD Physical Layer
Specification 5.1, section 4.17), so that a page takes 2 ms at most; its current at high speed is at most 200 mA at
3.3 V (same, section 4.3.10). A commit takes the pages that SQLite writes for it and one more, of the file system's
journal, which fdatasync writes because the log has grown. Bytes are counted by the kernel (wchar of /proc/self/io),
checkpoints included. Idle power of the card is not counted.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from pathlib import Path

from coordinator.ledger.entry import Entry, Kind
from coordinator.ledger.store import Ledger
from edge_node.adapters.sqlite_outbox import SqliteOutbox
from protos.messages.slot import Telemetry

PAGE_BYTES, PAGES_PER_S = 4096, 500.0
POWER_W = 0.2 * 3.3
JOURNAL_PAGES = 1


def joules_per_commit(written_bytes: float) -> float:
    """Of a commit that writes so many bytes."""
    return POWER_W * (math.ceil(written_bytes / PAGE_BYTES) + JOURNAL_PAGES) / PAGES_PER_S


def written_bytes(work: Callable[[], None]) -> int:
    """Bytes that this process writes in ``work``."""

    def so_far() -> int:
        fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
        return int(fields["wchar"])

    before = so_far()
    work()
    return so_far() - before


def outbox_commit_bytes(report: Telemetry, reports: int) -> float:
    """Bytes of one commit of a node's outbox, which keeps each report and drops it when acknowledged: two commits."""
    with tempfile.TemporaryDirectory() as folder:
        outbox = SqliteOutbox(Path(folder) / "outbox.sqlite")

        def work() -> None:
            for _ in range(reports):
                seq = outbox.next_seq()
                outbox.put(seq, report)
                outbox.acknowledge(seq)

        found = written_bytes(work) / (2 * reports)
        outbox.close()
    return found


def ledger_commit_bytes(body: dict[str, object], entries: int, commits: int) -> float:
    """Bytes of one commit of the ledger with so many entries."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Ledger(Path(folder) / "ledger.sqlite", "sd-card") as ledger,
    ):

        def work() -> None:
            for commit in range(commits):
                ledger.write(
                    [
                        Entry(Kind.TELEMETRY, f"message/n{k}/boot/{commit}", body, slot=0, node_id=f"n{k}")
                        for k in range(entries)
                    ]
                )

        return written_bytes(work) / commits
