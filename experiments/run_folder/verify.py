"""The books of a run, or of every run of a comparison, checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from coordinator.ledger import Kind, LedgerEmptyError, LedgerError, VerifyReport, read_entries, verify
from experiments.errors import UsageError
from experiments.run_folder.files import LEDGER


def verify_run(folder: Path) -> dict[str, Any]:
    """Verdict on the ledger of ``folder``, or on all ledgers in a compare folder. Raises UsageError.

    ``ok``: no finding, and complete: every slot of the run is closed in every ledger.
    """
    ledgers = (
        [folder] if folder.is_file() else sorted(folder.glob(LEDGER)) or sorted(folder.glob(f"*/{LEDGER}"))
    )
    if not ledgers:
        raise UsageError(
            f"{folder}: no {LEDGER} in it or in its sub-folders; give a run folder or a compare folder"
        )
    findings: list[str] = []
    incomplete: list[str] = []
    transactions = postings = 0
    for path in ledgers:
        prefix = "" if len(ledgers) == 1 else f"{path.parent.name}: "
        try:
            report = verify(path)
        except LedgerEmptyError as error:
            incomplete.append(f"{prefix}{error}")
            continue
        except LedgerError as error:
            raise UsageError(f"{error}; give a run folder or a compare folder") from error
        findings += [f"{prefix}{finding}" for finding in report.findings]
        incomplete += [f"{prefix}{text}" for text in _lacks(path, report)]
        transactions += report.transactions
        postings += report.postings
    return {
        "ok": not findings and not incomplete,
        "ledgers": len(ledgers),
        "transactions": transactions,
        "postings": postings,
        "findings": findings,
        "incomplete": incomplete,
    }


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
