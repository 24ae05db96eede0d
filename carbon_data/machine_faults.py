"""Faults of the machine (disk, files, memory, processes, network) as one sentence: what was met, and what to do next.

One place for all commands and processes, so that none of them answers such a fault with a traceback. Libraries' own
errors are known by name: nothing is imported for them.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator

DISK_FULL = "make room, or give another --output"
_LOST = "restore it from a copy, or run again"
_DISK = "look at its disk (dmesg says more), and copy elsewhere what is there"
_NOBODY = "check the address, and that the process there runs"
_MEMORY = "end other programs, or take fewer nodes or processes"
_PROCESSES = "end other programs, or raise the limit of processes and threads (ulimit -u)"
_NEXT = {
    errno.ENOENT: f"it was removed or renamed: {_LOST}",
    errno.EACCES: "give yourself the right to it, or work on a copy of your own",
    errno.EPERM: "give yourself the right to it, or work on a copy of your own",
    errno.EROFS: "make its disk writable, or work on a copy elsewhere",
    errno.EISDIR: f"a file belongs there: {_LOST}",
    errno.ENOTDIR: f"a folder belongs there: {_LOST}",
    errno.EEXIST: "remove what is there, or give another name",
    errno.ENOTEMPTY: "remove what is in it, or give another name",
    errno.ENAMETOOLONG: "give a shorter name",
    errno.EFBIG: "raise the limit of file sizes (ulimit -f), or give another --output",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "end other programs: the whole machine has too many files open",
    errno.EAGAIN: _PROCESSES,
    errno.ENOMEM: _MEMORY,
    **dict.fromkeys((errno.EIO, errno.ENXIO, errno.ENODEV, errno.ESTALE), _DISK),
    **dict.fromkeys((errno.EADDRINUSE, errno.EADDRNOTAVAIL), "choose another port or address"),
    **dict.fromkeys(
        (errno.ECONNREFUSED, errno.ECONNRESET, errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH),
        _NOBODY,
    ),
}
"""What to do next, by number of the operating system's error."""
_FULL = (errno.ENOSPC, errno.EDQUOT)
_SPREADS = (*_FULL, errno.EFBIG, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""Met in the middle of something, these bring further errors with them; a file that is not there is often looked for on
purpose."""

_SQLITE_NEXT = {
    5: "another process holds it: wait until that has ended",
    6: "another process holds it: wait until that has ended",
    8: _NEXT[errno.EROFS],
    10: _DISK,
    11: _LOST,
    14: _NEXT[errno.EACCES],
    26: _LOST,
}
"""By SQLite's primary result code (rescode.html): BUSY, LOCKED, READONLY, IOERR, CORRUPT, CANTOPEN, NOTADB."""
_SQLITE_FULL = 13
_OTHERS = {
    "builtins.MemoryError": _MEMORY,
    "coordinator.ledger.entry.LedgerError": "",
    "safetensors._safetensors_rust.SafetensorError": f"a file of tensors is damaged: {_LOST}",
    "pyarrow.lib.ArrowException": f"a table is damaged: {_LOST}",
    "concurrent.futures._base.BrokenExecutor": f"one of its processes was ended: {_MEMORY}",
    "ray.exceptions.RayError": "a process of Ray was lost: run again, or set fleet.kind to inprocess",
}
"""What to do next, by class; empty: its sentence says so."""


def machine_fault(error: BaseException) -> str | None:
    """The fault of the machine that ``error`` is, or was caused by; None where there is none behind it, which is then
    a fault of a program."""
    for known, is_cause in _chain(error):
        # What was only handled when the error was raised need not explain it.
        explains = is_cause or (isinstance(known, OSError) and known.errno in _SPREADS)
        if explains and (sentence := _sentence(known)):
            return sentence
    return None


def _chain(error: BaseException) -> Iterator[tuple[BaseException, bool]]:
    """The error, then what caused it (True) or was handled when it was raised (False)."""
    seen: set[int] = set()
    found: BaseException | None = error
    is_cause = True
    while found is not None and id(found) not in seen:
        yield found, is_cause
        seen.add(id(found))
        is_cause = is_cause and found.__cause__ is not None
        found = found.__cause__ or found.__context__


def _sentence(error: BaseException) -> str | None:
    if isinstance(error, OSError):
        return _of_system(error)
    names = [f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__]
    if "sqlite3.DatabaseError" in names:
        return database_fault(error)
    if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        return f"{error}; {_PROCESSES}"
    if isinstance(error, RuntimeError) and "can't allocate memory" in str(error):  # of torch
        return f"{' '.join(str(error).split())}; {_MEMORY}"
    if isinstance(error, ImportError) and re.search(
        "map segment|annot allocate|too many open", str(error), re.I
    ):
        return f"{error}; {_MEMORY}"
    for name, next_step in _OTHERS.items():
        if name in names:
            said = " ".join(str(error).split()) or type(error).__name__
            return f"{said}; {next_step}" if next_step else said
    return None


def _of_system(error: OSError) -> str:
    place = error.filename2 or error.filename
    where = f"{os.fsdecode(place)}: " if isinstance(place, str | bytes | os.PathLike) else ""
    if error.errno in _FULL:
        return f"the disk is full{f' ({where[:-2]})' if where else ''}; {DISK_FULL}"
    if error.errno is None:
        return str(error)  # raised with a sentence of its own
    said = error.strerror or os.strerror(error.errno)
    return f"{where}{said}; {_NEXT.get(error.errno, 'look at that place, then try again')}"


def database_fault(error: BaseException) -> str | None:
    """SQLite's words and what to do next, where the fault is the machine's; None: a statement is wrong."""
    code = int(getattr(error, "sqlite_errorcode", 0)) & 0xFF  # the low byte is the primary code
    if code == _SQLITE_FULL:
        return f"the disk is full; {DISK_FULL}"
    return f"{error}; {_SQLITE_NEXT[code]}" if code in _SQLITE_NEXT else None
