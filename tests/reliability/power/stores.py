"""The two stores that promise durability, at work while the disk is recorded, and looked at after a cut."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from random import Random

from coordinator.ledger import Entry, Kind, Ledger, Posting, Unit
from edge_node.adapters.sqlite_outbox import SqliteOutbox
from protos.messages.slot import Settlement
from tests.reliability.power.recorder import Recording, recording

Mode = str
"""FULL as the product sets it, or NORMAL, which a power cut defeats."""


def entry(number: int) -> Entry:
    amount = number + 1
    postings = (
        Posting("node/n00/battery", Unit.MICROJOULES, -amount),
        Posting("sink/n00", Unit.MICROJOULES, amount),
    )
    body = {"number": number, "text": "x" * (37 * number % 1500)}
    return Entry(Kind.ADJUSTMENT, f"entry/{number}", body, postings, number, "n00")


def record_ledger(folder: Path, mode: Mode, groups: int) -> Recording:
    """Groups of entries, each acknowledged once its future is done; the ledger is opened again in between."""
    draw, number = Random(f"ledger/{mode}"), 0
    with recording(folder) as recorded:
        for _ in range(3):
            with Ledger(folder / "ledger.sqlite", "run") as ledger:
                ledger._writer.execute(f"PRAGMA synchronous = {mode}")
                for _ in range(groups // 3):
                    size = draw.randint(1, 4)
                    ledger.append([entry(number + k) for k in range(size)]).result()
                    number += size
                    recorded.mark(number)
    return recorded


def ledger_faults(folder: Path, acknowledged: int | None, upcoming: int | None) -> list[str]:
    """What a cut broke: the product opens what is left, as after any restart."""
    path, faults = folder / "ledger.sqlite", []
    try:
        with Ledger(path, "run") as ledger:
            said = ledger._writer.execute("PRAGMA integrity_check").fetchone()[0]
            if said != "ok":
                faults.append(f"corrupt: {said}")
            rows = ledger._writer.execute("SELECT id, key, digest FROM entries ORDER BY id").fetchall()
    except (ValueError, sqlite3.Error) as error:
        return [f"corrupt: {error}"]
    if len(rows) > (upcoming or acknowledged or 0):
        faults.append(f"corrupt: {len(rows)} entries are there, {upcoming} were written")
    expected = [(n + 1, f"entry/{n}", DIGESTS(n)) for n in range(len(rows))]
    if rows != expected:
        faults.append("corrupt: entries are not the first that were written")
    if len(rows) < (acknowledged or 0):
        faults.append(f"lost: {acknowledged} entries were acknowledged, {len(rows)} are there")
    return faults


def _digests() -> Callable[[int], str]:
    known: dict[int, str] = {}

    def digest(number: int) -> str:
        if number not in known:
            known[number] = entry(number).digest
        return known[number]

    return digest


DIGESTS = _digests()


def settlement(seq: int) -> Settlement:
    zero = dict.fromkeys(
        (
            *(
                "demand_uj",
                "grid_uj",
                "green_uj",
                "harvest_uj",
                "charge_uj",
                "charge_loss_uj",
                "discharge_uj",
            ),
            *("discharge_loss_uj", "self_discharge_uj", "export_uj", "import_uj", "curtailed_uj"),
            *("battery_before_uj", "battery_after_uj"),
        ),
        0,
    )
    return Settlement("n00", "boot", seq, 1, seq, **zero)


def record_outbox(folder: Path, mode: Mode, steps: int) -> Recording:
    """Readings kept and acknowledged, and the fence raised."""
    draw, waiting, fence = Random(f"outbox/{mode}"), set[int](), (0, 0)
    with recording(folder) as recorded:
        for part in range(3):
            outbox = SqliteOutbox(folder / "outbox.sqlite")
            outbox._db.execute(f"PRAGMA synchronous = {mode}")
            for _ in range(steps // 3):
                step = draw.random()
                if step < 0.5:
                    seq = outbox.next_seq()
                    outbox.put(seq, settlement(seq))
                    waiting.add(seq)
                elif step < 0.75 and waiting:
                    seq = draw.choice(sorted(waiting))
                    outbox.acknowledge(seq)
                    waiting -= {each for each in waiting if each <= seq}
                else:
                    fence = (part + 1, fence[1] + 1)
                    outbox.raise_fence(*fence)
                told = (frozenset(waiting), outbox.last_seq, fence if fence[0] else None)
                recorded.mark(told)
            outbox.close()
    return recorded


State = tuple[frozenset[int], int, tuple[int, int] | None]
"""Readings that wait, the last number given, the fence."""


def outbox_faults(folder: Path, acknowledged: State | None, upcoming: State | None) -> list[str]:
    """``upcoming``: the state after the step that was under way, which may have reached the disk."""
    before = acknowledged or (frozenset(), 0, None)
    after = upcoming or before
    faults = []
    try:
        outbox = SqliteOutbox(folder / "outbox.sqlite")
        said = outbox._db.execute("PRAGMA integrity_check").fetchone()[0]
        there = {message.seq: message for message in outbox.pending()}
        found, seq = outbox.fence, outbox.next_seq()
        outbox.close()
    except (ValueError, sqlite3.Error) as error:
        return [f"corrupt: {error}"]
    if said != "ok":
        faults.append(f"corrupt: {said}")
    if any(message != settlement(number) for number, message in there.items()):
        faults.append("corrupt: a reading is not what was kept")
    if frozenset(there) not in (before[0], after[0]):
        faults.append(f"lost: readings {sorted(there)} wait, kept were {sorted(before[0])}")
    if found not in (before[2], after[2]):
        faults.append(f"lost: fence {before[2]}, found {found}")
    if seq <= before[1]:
        faults.append(f"lost: number {seq} is given again")
    return faults
