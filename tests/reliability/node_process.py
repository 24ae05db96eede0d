"""``python node_process.py ADDRESS INDEX SLOTS FOLDER [SECRET]``: a real node on a real stream, outbox on disk. Its
journal says what it accepted, metered and executed, and how long readings waited in the outbox with a stream open."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from edge_node.adapters.coordinator_client import GrpcLink
from edge_node.adapters.host import GrpcHost
from edge_node.adapters.sqlite_outbox import SqliteOutbox
from edge_node.meters.registry import build_meter
from edge_node.slots.errors import NotReady, NoWork
from edge_node.slots.link import LinkError
from edge_node.slots.node import EdgeNode
from protos.access.config import Access
from protos.messages.slot import Usage
from protos.messages.stream import UpMessage
from protos.messages.terms import Stage
from tests.edge_node.conftest import LinearWorkload, node_config


class Journal:
    """Lines of JSON; a line that was written outlives ``kill -9``."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)

    def say(self, what: str, **values: Any) -> None:
        self._file.write(json.dumps({"what": what, **values}).encode() + b"\n")


class Noted(SqliteOutbox):
    """Says of every reading when it is about to be kept, and when it is on disk; and of every fence that rises."""

    def __init__(self, path: Path, journal: Journal) -> None:
        super().__init__(path)
        self._journal = journal
        self._on_disk: list[tuple[str, dict[str, Any]]] = []

    def put(self, seq: int, message: UpMessage) -> None:
        said = (
            {"slot": message.slot, "uj": sum(line.energy_uj for line in message.lines)}
            if isinstance(message, Usage)
            else None
        )
        if said:
            self._journal.say("metering", **said)
        with self.together():
            super().put(seq, message)
            if said:
                self._on_disk.append(("metered", said))

    def raise_fence(self, epoch: int, slot: int) -> None:
        before = self.fence
        with self.together():
            super().raise_fence(epoch, slot)
            if self.fence != before:  # a repeat of the last plan is confirmed, and not executed again
                self._on_disk.append(("accepted", {"epoch": epoch, "slot": slot}))

    def _commit(self) -> None:
        on_disk, self._on_disk = self._on_disk, []
        super()._commit()
        for what, values in on_disk:
            self._journal.say(what, **values)


class Waiting:
    """How long readings wait in the outbox while the coordinator could take them: since the stream was opened, or since
    they were metered."""

    def __init__(self, outbox: SqliteOutbox, journal: Journal) -> None:
        self._outbox, self._journal = outbox, journal
        self._since: dict[int, float] = {}

    def look(self, stream_is_open: bool) -> None:
        now = time.monotonic()
        if not stream_is_open:
            self._since.clear()
            return
        kept = {message.seq for message in self._outbox.pending() if isinstance(message, Usage)}
        for seq in self._since.keys() - kept:
            self._journal.say("drained", seconds=now - self._since.pop(seq))
        for seq in kept:
            self._since.setdefault(seq, now)


def main(address: str, index: int, slots: int, folder: Path, secret: Path | None = None) -> None:
    journal = Journal(folder / f"n{index}.jsonl")
    outbox = Noted(folder / f"n{index}.sqlite", journal)
    config = node_config(index, stages=(Stage.DEVELOPMENT,) * slots)
    meter = build_meter(config.meter, config.board, config.slot_s)
    node = EdgeNode(config, {Stage.DEVELOPMENT: LinearWorkload(index)}, meter, outbox)
    waiting = Waiting(outbox, journal)
    with GrpcHost(access=Access(secret_file=secret)) as host:
        link = GrpcLink(node, host, address)
        print(json.dumps({"peer": host.address, "infer": host.infer_address}), flush=True)
        link.start()
        while node.slot < slots:
            waiting.look(link.attendance.stream is not None and not link.fenced)
            try:
                link.wait_ready(node.slot, 0.2)
                result = node.execute({"w": np.zeros(4, dtype=np.float32)})
                journal.say("executed", slot=node.slot, batches=result.batches)
            except (NotReady, NoWork, LinkError):
                pass
            time.sleep(0.02)
        time.sleep(60.0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *map(Path, sys.argv[4:]))
