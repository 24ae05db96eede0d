"""The books of a run, or of every run of a comparison, checked; and its tables, made again from them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet
from pydantic import AwareDatetime, BaseModel, NonNegativeInt, PositiveFloat, ValidationError

from carbon_data.refused import fault
from coordinator.ledger import (
    Anchor,
    Kind,
    LedgerEmptyError,
    LedgerError,
    VerifyReport,
    read_entries,
    verify,
)
from coordinator.tables.export import export_tables
from experiments.errors import UsageError
from experiments.run_folder.files import COMPARE, DONE, LEDGER, METADATA, SCENARIO
from experiments.run_folder.signed import SignedFileError, is_signed, unpack


class Head(BaseModel):
    """Of the ledger, as the run's end left it."""

    entries: NonNegativeInt
    head: str


class Told(BaseModel):
    """What of a run's metadata is needed here."""

    run_id: str
    start: AwareDatetime
    trace_step_s: PositiveFloat
    ledger: Head | None = None
    """None: written by an older version."""


class State(StrEnum):
    """Of a ledger, or of all ledgers of a folder: the worst of them."""

    SOUND = "sound"
    INCOMPLETE = "incomplete"
    """Nothing is wrong, and it is not the whole run: broken off, or nothing booked yet."""
    TRUNCATED = "truncated"
    """Nothing else is wrong; it ends before its anchor."""
    NOT_SOUND = "not sound"


@dataclass(frozen=True)
class Verdict:
    """On one ledger."""

    state: State
    findings: tuple[str, ...] = ()
    incomplete: tuple[str, ...] = ()
    transactions: int = 0
    postings: int = 0
    entries: int = 0
    head: str | None = None
    anchored: bool = False
    """An anchor was there to compare it with."""
    run_id: str | None = None
    signed_by: str | None = None
    """Fingerprint of the authority that signed it."""


def verify_run(folder: Path, tables: bool = True, authority: str | None = None) -> dict[str, Any]:
    """Verdict on the ledger of ``folder``, or on all ledgers in a compare folder, or on a signed file, which must be of
    ``authority`` (a fingerprint) where that is given. Raises UsageError.

    ``ok``: no finding, and complete: every slot of the run is closed in every ledger. ``tables``: make the run's tables
    again from the ledger and compare them.
    """
    ledgers = (
        [folder] if folder.is_file() else sorted(folder.glob(LEDGER)) or sorted(folder.glob(f"*/{LEDGER}"))
    )
    if not ledgers:
        raise UsageError(
            f"{folder}: no {LEDGER} in it or in its sub-folders; give a run folder or a compare folder"
        )
    signed = folder.is_file() and is_signed(folder)
    if authority is not None and not signed:
        raise UsageError(
            f"{folder} is no signed file, and an authority was given; leave it out, or give such a file"
        )
    verdicts = {
        path: _signed_verdict(path, authority) if signed else _verdict(path, tables) for path in ledgers
    }
    verdicts |= {
        path: Verdict(State.INCOMPLETE, incomplete=("there is no ledger",)) for path in _absent(folder)
    }
    states = [verdict.state for verdict in verdicts.values()]

    def of_all(texts: str) -> list[str]:
        return [
            text if len(verdicts) == 1 else f"{path.parent.name}: {text}"
            for path, verdict in verdicts.items()
            for text in getattr(verdict, texts)
        ]

    return {
        "ok": all(state is State.SOUND for state in states),
        "state": str(max(states, key=list(State).index)),
        "ledgers": len(ledgers),
        "transactions": sum(verdict.transactions for verdict in verdicts.values()),
        "postings": sum(verdict.postings for verdict in verdicts.values()),
        "findings": of_all("findings"),
        "incomplete": of_all("incomplete"),
        "heads": {
            str(path): {
                "run_id": verdict.run_id,
                "entries": verdict.entries,
                "head": verdict.head,
                "anchored": verdict.anchored,
                **(
                    {"signed_by": verdict.signed_by, "authority_given": authority is not None}
                    if signed
                    else {}
                ),
            }
            for path, verdict in verdicts.items()
        },
    }


def _absent(folder: Path) -> list[Path]:
    """Ledgers of runs that a comparison names and that are not there."""
    try:
        named = json.loads((folder / COMPARE).read_text(encoding="utf-8"))["policies"]
        runs = [folder / run for some in named.values() for run in some]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{folder / COMPARE} cannot be read ({error}); restore it from a copy") from error
    return [run / LEDGER for run in runs if not (run / LEDGER).exists()]


def _verdict(path: Path, tables: bool) -> Verdict:
    told, findings = _told(path)
    anchor = None if told is None or told.ledger is None else Anchor(told.ledger.entries, told.ledger.head)
    try:
        report = verify(path, anchor)
    except LedgerEmptyError as error:
        return Verdict(State.INCOMPLETE, incomplete=(str(error),), anchored=anchor is not None)
    except LedgerError as error:
        if not path.with_name(SCENARIO).exists():
            raise UsageError(f"{error}; give a run folder or a compare folder") from error
        return Verdict(State.NOT_SOUND, (f"file: {error}",), anchored=anchor is not None)
    if told is not None and report.run_id != told.run_id:
        findings.append(f"run: {path} is the ledger of {report.run_id!r}, the folder of {told.run_id!r}")
    findings += [str(finding) for finding in report.findings]
    if not findings and tables and told is not None:
        findings += _other_tables(path, told)
    lacks = _lacks(path, report)
    truncated = {finding.split(":")[0] for finding in findings} == {"truncated"}
    state = (
        State.TRUNCATED if truncated else State.NOT_SOUND if findings else State.INCOMPLETE if lacks else State.SOUND
    )  # fmt: skip
    return Verdict(
        state,
        tuple(findings),
        tuple(lacks),
        report.transactions,
        report.postings,
        report.entries,
        report.head,
        anchor is not None,
        report.run_id,
    )


def _signed_verdict(path: Path, authority: str | None) -> Verdict:
    """On the ledger in a signed file; its tables are not there to compare."""
    with tempfile.TemporaryDirectory(prefix="detabed-signed-") as name:
        try:
            header = unpack(path, Path(name))
        except SignedFileError as error:
            return Verdict(State.NOT_SOUND, (f"signature: {path}: {error}",))
        verdict = _verdict(Path(name) / LEDGER, tables=False)
    findings = [finding.replace(name, str(path)) for finding in verdict.findings]
    if (verdict.entries, verdict.head) != (header.entries, header.head):
        findings.append(f"anchor: {path}: the books do not end where the header says")
    if authority is not None and authority.lower() != header.fingerprint:
        findings.append(
            f"signature: {path}: signed by the authority {header.fingerprint}, wanted {authority}"
        )
    state = State.NOT_SOUND if findings else verdict.state
    return replace(
        verdict, state=state, findings=tuple(findings), anchored=True, signed_by=header.fingerprint
    )


def _told(path: Path) -> tuple[Told | None, list[str]]:
    """A run's metadata, and what is wrong with it. None: the run has not come to its end, or they cannot be used."""
    if path.name != LEDGER:
        return None, []
    place = path.with_name(METADATA)
    try:
        return Told.model_validate_json(place.read_bytes()), []
    except FileNotFoundError:
        over = path.with_name(DONE).exists()
        return None, [f"metadata: {place} is missing, though the run is over"] if over else []
    except ValidationError as error:
        said = "; ".join(fault(one, "all") for one in error.errors())
        return None, [f"metadata: {place} cannot be used ({said})"]


def _other_tables(path: Path, told: Told) -> Iterator[str]:
    """Tables of the run that are not those of its ledger. ``rounds``, which holds accuracies, is not made from it."""
    with tempfile.TemporaryDirectory(prefix="detabed-verify-") as name:
        made = export_tables(
            path,
            Path(name),
            start=told.start,
            trace_step_s=told.trace_step_s,
        )
        for table, again in made.items():
            there = path.with_name(again.name)
            if there.exists() != again.exists():
                yield f"tables: {there}: {'should not be there' if there.exists() else 'is missing'}"
            elif there.exists() and (where := _difference(there, again)):
                yield f"tables: {there}: {where} not what the ledger makes of {table}"


def _difference(there: Path, again: Path) -> str:
    """What differs between two tables; empty: nothing."""
    try:
        found, wanted = parquet.read_table(there.absolute()), parquet.read_table(again.absolute())
    except (OSError, ValueError) as error:
        return f"cannot be read ({error}), so it is"
    if found.column_names != wanted.column_names:
        return f"its columns are {found.column_names},"
    if found.num_rows != wanted.num_rows:
        return f"its {found.num_rows} rows are"
    other = [column for column in wanted.column_names if not _same(found[column], wanted[column])]
    return f"the values of {', '.join(other)} are" if other else ""


def _same(found: pa.ChunkedArray, wanted: pa.ChunkedArray) -> bool:
    try:
        return bool(found.cast(wanted.type).equals(wanted))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return False


def _lacks(path: Path, report: VerifyReport) -> list[str]:
    """What a ledger without findings does not hold: the run has not ended, was broken off, or booked nothing."""
    if report.finding_count:
        return []
    if not report.transactions:
        return ["nothing was booked"]
    start = next((stored.entry for stored in read_entries(path) if "config" in stored.entry.body), None)
    closed = report.kinds.get(str(Kind.SLOT_END), 0) + report.kinds.get(str(Kind.SLOT), 0)
    planned = closed if start is None else len(start.body["config"]["stages"])
    return [] if closed >= planned else [f"{closed} of {planned} slots are closed"]
