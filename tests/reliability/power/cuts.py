"""A disk whose power is cut: what was synced is there, of the rest each sector is there or not.

Model: a file's content is durable up to its last sync; of what was written since, every sector of 512 bytes (or
4 KiB) may have reached the disk or not, in any combination, and one may be torn. A new file's name is on the
disk once it was synced itself, before that it may be gone; a deleted file may be back, until its folder is
synced. SQLite's unixSync syncs the folder with the first sync of a new journal or log, which the recorder does
not see; it is taken as done.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tests.reliability.power.recorder import Op

SECTORS = (512, 4096)


@dataclass
class _File:
    durable: bytearray | None = None
    """None: its name is not on the disk for sure."""
    pending: list[Op] = field(default_factory=list)

    def sync_name(self) -> None:
        """Creations and deletions of this name are on the disk, whatever the content is."""
        left: list[Op] = []
        for op in self.pending:
            if op.kind in ("create", "delete"):
                left, self.durable = [], _applied(self.durable, op)
            else:
                left.append(op)
        self.pending = left


class CutDisk:
    """Takes the operations in order; ``cut`` writes what a power cut now would leave."""

    def __init__(self) -> None:
        self._files: dict[str, _File] = {}
        self.acknowledged: Any = None
        """The last mark."""

    def take(self, op: Op) -> None:
        if op.kind == "mark":
            self.acknowledged = op.mark
            return
        file = self._files.setdefault(op.file, _File())
        if op.kind != "sync":
            file.pending.append(op)
            return
        if op.file.endswith(("-journal", "-wal")) and any(each.kind == "create" for each in file.pending):
            for each_file in self._files.values():
                each_file.sync_name()
        for each in file.pending:
            file.durable = _applied(file.durable, each)
        file.pending = []

    def cut(self, folder: Path, draw: Random) -> None:
        sector, kept = draw.choice(SECTORS), draw.choice((0.0, 0.2, 0.5, 0.8, 1.0))
        for name, file in self._files.items():
            content = None if file.durable is None else bytearray(file.durable)
            for op in file.pending:
                if op.kind == "delete":
                    if draw.random() >= kept:
                        break  # nor did what followed under this name come to the disk
                    content = None
                elif op.kind == "create":
                    content = bytearray() if draw.random() < max(kept, 0.5) else None
                elif content is None:
                    continue
                elif op.kind == "truncate":
                    content = _applied(content, op) if draw.random() < kept else content
                else:
                    content = _some_sectors(content, op, sector, kept, draw)
            if content is not None:
                (folder / name).write_bytes(content)


def _applied(content: bytearray | None, op: Op) -> bytearray | None:
    if op.kind in ("create", "delete"):
        return bytearray() if op.kind == "create" else None
    before = bytearray() if content is None else content
    if op.kind == "truncate":
        return before[: op.offset].ljust(op.offset, b"\0")
    return _put(before, op.offset, op.data)


def _put(content: bytearray, offset: int, data: bytes) -> bytearray:
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data
    return content


def _some_sectors(content: bytearray, op: Op, sector: int, kept: float, draw: Random) -> bytearray:
    begin = op.offset
    end = op.offset + len(op.data)
    while begin < end:
        until = min(end, (begin // sector + 1) * sector)
        chance = draw.random()
        if chance < kept:
            if chance < kept / 20:  # torn
                until_torn = draw.randint(begin, until)
                content = _put(content, begin, op.data[begin - op.offset : until_torn - op.offset])
            else:
                content = _put(content, begin, op.data[begin - op.offset : until - op.offset])
        begin = until
    return content
