"""The books of a run, or of every run of a comparison, checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from experiments.errors import UsageError

LEDGER = "ledger.sqlite"


def verify_run(folder: Path) -> dict[str, Any]:
    """Verdict on the ledger of ``folder``, or on all ledgers in a compare folder. Raises UsageError."""
    from coordinator.ledger import LedgerError, verify

    ledgers = (
        [folder] if folder.is_file() else sorted(folder.glob(LEDGER)) or sorted(folder.glob(f"*/{LEDGER}"))
    )
    if not ledgers:
        raise UsageError(
            f"{folder}: no {LEDGER} in it or in its sub-folders; give a run folder or a compare folder"
        )
    findings: list[str] = []
    transactions = postings = 0
    for path in ledgers:
        try:
            report = verify(path)
        except LedgerError as error:
            raise UsageError(f"{error}; give a run folder or a compare folder") from error
        prefix = "" if len(ledgers) == 1 else f"{path.parent.name}: "
        findings += [f"{prefix}{finding}" for finding in report.findings]
        transactions += report.transactions
        postings += report.postings
    return {
        "ok": not findings,
        "ledgers": len(ledgers),
        "transactions": transactions,
        "postings": postings,
        "findings": findings,
    }
