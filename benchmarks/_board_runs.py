"""What is measured of a fleet on hosts: equality with a run in one process, cuts of the network, and a resumption."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

import detabed
from benchmarks._board_fleets import BrokeOffError, Command, HostedFleet, in_hosts_of_their_own, resident_mb
from benchmarks._board_tables import (
    DECISIONS,
    joules_unlike,
    last_slot,
    moved_between_nodes,
    rows_of,
    rows_unlike,
    silent_gaps,
    unserved,
)
from coordinator.ledger.entry import Kind, LedgerError
from coordinator.ledger.verify import verify
from coordinator.tables.export import export_tables
from experiments.run_folder.checkpoint import read_lines
from experiments.run_folder.files import LEDGER, METADATA

IN_PROCESS = '[fleet]\nkind = "inprocess"'
LONG = 8_000
"""Slots of a run that is killed before its end."""
SOME = 5
"""Slots before anything is disturbed, and after a board is back."""
REJOIN_WITHIN_S = 180.0
RESUMED_SLOTS = 60
KILLED_AFTER = 15


@dataclass
class Equality:
    """A run on boards beside the same scenario in one process."""

    decisions_unlike: int
    joules_unlike: int
    moved: int
    unserved: int
    resident_mb: float | None
    """Of the largest daemon, after it has trained."""


@dataclass
class Cuts:
    """A run whose last board is cut off several times, and which is then killed."""

    nodes_in_their_host: int
    rejoined_s: dict[float, float] = field(default_factory=dict)
    """By length of the cut: from healing until a slot that was decided after it is settled by the board's node."""
    rows_lost: int = 0
    silent_gaps: int = 0
    findings: int = 0
    resident_mb: float | None = None


@dataclass
class Resumption:
    """A run whose coordinator and runner were killed, beside one that nothing disturbed."""

    findings: int
    rows_unlike: int
    """Outside the slot that was lost."""
    rows_lost: int
    lost_slots: int
    resume_s: float


def equality(fleet: HostedFleet) -> Equality:
    """A short run with panels and batteries."""
    there = fleet.begin(fleet.scenario("equal", 6, stores=True))
    there.command.to_end()
    here = _in_process(fleet, "here", 6, stores=True)
    return Equality(
        decisions_unlike=rows_unlike(there.folder, here, (DECISIONS,)),
        joules_unlike=joules_unlike(there.folder, here),
        moved=moved_between_nodes(there.folder),
        unserved=unserved(there.folder),
        resident_mb=_resident(fleet),
    )


def _in_process(fleet: HostedFleet, name: str, rounds: int, *, stores: bool) -> Path:
    scenario = fleet.scenario(name, rounds, stores=stores, fleet=IN_PROCESS)
    return Path(detabed.run(scenario, output=scenario.with_suffix(""), progress=False).folder)


def _resident(fleet: HostedFleet) -> float | None:
    return max(map(resident_mb, fleet.daemons.values()), default=None)


def cuts(fleet: HostedFleet, seconds: Sequence[float], say: Callable[[str], None]) -> Cuts:
    """Cut the last board off for each of ``seconds``."""
    run = fleet.begin(fleet.scenario("cut", LONG, stores=True))
    ledger, (node, board) = run.folder / LEDGER, list(fleet.boards.items())[-1]
    run.command.until(lambda: _settled(ledger, node) >= SOME)
    found = Cuts(in_hosts_of_their_own(fleet, run.processes()))
    rows: set[tuple[str, str]] = set()
    for cut_s in seconds:
        say(f"a cut of {cut_s:g} s")
        board.cut()
        try:
            time.sleep(cut_s)
        finally:
            rows |= rows_of(ledger)
            board.heal()
        healed, decided = time.monotonic(), last_slot(ledger, Kind.DECISION)
        _await_slot(run.command, ledger, node, decided + 1)
        found.rejoined_s[cut_s] = time.monotonic() - healed
        _await_slot(run.command, ledger, node, last_slot(ledger, Kind.DECISION) + SOME)
    found.resident_mb = _resident(fleet)
    rows |= rows_of(ledger)
    run.kill()
    found.rows_lost = len(rows - rows_of(ledger))
    found.findings = verify(ledger).finding_count
    export_tables(ledger, run.folder, start=datetime(2022, 6, 21, tzinfo=UTC), trace_step_s=3600.0)
    found.silent_gaps = silent_gaps(pd.read_parquet(run.folder / "slots.parquet"), ledger)
    return found


def _settled(ledger: Path, node: str) -> int:
    try:
        return last_slot(ledger, Kind.SETTLEMENT, node)
    except LedgerError:  # not there yet
        return -1


def _await_slot(command: Command, ledger: Path, node: str, slot: int) -> None:
    command.until(lambda: _settled(ledger, node) >= slot, REJOIN_WITHIN_S)


def resumption(fleet: HostedFleet) -> Resumption:
    """Without batteries nothing but the model goes from slot to slot: all slots but the lost one must be equal."""
    run = fleet.begin(fleet.scenario("broken-off", RESUMED_SLOTS, stores=False))
    ledger = run.folder / LEDGER
    run.command.until(lambda: len(read_lines(run.folder)) > KILLED_AFTER)
    run.kill()
    rows = rows_of(ledger)
    began = time.monotonic()
    fleet.detabed("resume", str(run.folder), "--json", "--no-report").to_end()
    resume_s = time.monotonic() - began
    resumptions = json.loads((run.folder / METADATA).read_text())["resumptions"]
    lost = [told["lost_slot"] for told in resumptions if told["lost_slot"] is not None]
    if len(resumptions) != 1:
        raise BrokeOffError(f"the run says that it was resumed {len(resumptions)} times")
    whole = _in_process(fleet, "whole", RESUMED_SLOTS, stores=False)
    return Resumption(
        findings=verify(ledger).finding_count,
        rows_unlike=rows_unlike(run.folder, whole, but_for=lost),
        rows_lost=len(rows - rows_of(ledger)),
        lost_slots=len(lost),
        resume_s=resume_s,
    )
