"""Faults of the machine as one sentence with what to do next; a fault of a program is none of them."""

from __future__ import annotations

import concurrent.futures
import errno
import sqlite3
from pathlib import Path

import pyarrow as pa
import pytest
from safetensors import SafetensorError

from carbon_data.machine_faults import database_fault, machine_fault
from coordinator.ledger import LedgerError


def of_database(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("as SQLite says")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space", "/data/l"), "the disk is full (/data/l); make room"),
        (OSError(errno.EDQUOT, "Quota"), "the disk is full; make room"),
        (OSError(errno.EACCES, "Permission denied", "/x"), "/x: Permission denied; give yourself the right"),
        (OSError(errno.EROFS, "Read-only", b"/x"), "/x: Read-only; make its disk writable"),
        (OSError(errno.ENOENT, "none", "/x", None, "/y"), "/y: none; it was removed or renamed"),
        (OSError(errno.EMFILE, "Too many open files"), "Too many open files; raise the limit of open files"),
        (OSError(errno.EXDEV, "Cross-device link", "/x"), "/x: Cross-device link; look at that place"),
        (OSError("Infer: no such host; choose another"), "Infer: no such host; choose another"),
        (MemoryError(), "MemoryError; end other programs"),
        (RuntimeError("can't start new thread"), "can't start new thread; end other programs"),
        (
            RuntimeError("allocator: can't allocate memory:\n8 bytes"),
            "allocator: can't allocate memory: 8 bytes; end",
        ),
        (ImportError("x.so: failed to map segment from shared object"), "x.so: failed to map segment"),
        (concurrent.futures.BrokenExecutor("a\nchild"), "a child; one of its processes was ended"),
        (LedgerError("l is closed"), "l is closed"),
        (SafetensorError("header"), "header; a file of tensors is damaged"),
        (pa.ArrowInvalid("footer"), "footer; a table is damaged"),
        (of_database(sqlite3.SQLITE_FULL), "the disk is full; make room"),
        (of_database(sqlite3.SQLITE_IOERR | (3 << 8)), "as SQLite says; look at its disk"),
        (of_database(sqlite3.SQLITE_BUSY), "as SQLite says; another process holds it"),
    ],
)
def test_a_fault_is_a_sentence_with_what_to_do_next(error: Exception, said: str) -> None:
    found = machine_fault(error)
    assert found is not None
    assert found.startswith(said)
    assert "\n" not in found


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no such zone"),
        KeyError("n0"),
        RuntimeError("other"),
        ImportError("no module named x"),
        of_database(sqlite3.SQLITE_ERROR),
        sqlite3.ProgrammingError("closed"),
    ],
)
def test_a_fault_of_a_program_is_none_of_the_machine(error: Exception) -> None:
    assert machine_fault(error) is None


def raised(error: Exception, cause: Exception, explicit: bool) -> Exception:
    try:
        try:
            raise cause
        except Exception as known:
            if explicit:
                raise error from known
            raise error  # noqa: B904
    except Exception as found:
        return found


def test_a_cause_counts_and_what_was_only_handled_does_where_it_spreads() -> None:
    gone, full = FileNotFoundError(errno.ENOENT, "none", "/x"), OSError(errno.ENOSPC, "full")
    assert machine_fault(raised(ValueError("figure"), gone, explicit=True))
    assert machine_fault(raised(ValueError("figure"), full, explicit=False))
    assert machine_fault(raised(TypeError("a bug"), FileNotFoundError(2, "none"), explicit=False)) is None


def test_a_real_database_says_why_it_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError) as caught:
        sqlite3.connect(f"{(tmp_path / 'none').as_uri()}?mode=ro", uri=True)
    assert "give yourself the right" in str(database_fault(caught.value))
