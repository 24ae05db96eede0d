"""``python -m tests.reliability.attempts``: the command line on a machine with a fault, each attempt in a fork of one
process that has imported everything. One JSON object a line in, ``{"arguments", "fault", "options"}``, and one out."""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

from experiments.cli import COMMANDS, main

PRIVATE, READ_ONLY, BIND, REMOUNT, ALL_BELOW = 1 << 18, 1, 4096, 32, 1 << 14
"""mount(2)."""
PAGE = 4096
NEW_MOUNTS = 0x20000
"""unshare(2)."""


def _called(result: int, what: str) -> None:
    if result:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def _mount(source: str, target: str, kind: str, flags: int, options: str) -> None:
    texts = (text.encode() for text in (source, target, kind))
    libc = ctypes.CDLL(None, use_errno=True)
    _called(libc.mount(*texts, flags, options.encode()), "mount")


def _own_mounts() -> None:
    _called(ctypes.CDLL(None, use_errno=True).unshare(NEW_MOUNTS), "unshare")
    _mount("none", "/", "", ALL_BELOW | PRIVATE, "")


def nothing() -> None:
    pass


def small_disk(folder: str, size: int, holds: str = "") -> None:
    """``folder`` is a disk of its own; ``holds``: copied there, and ``size`` is what is left."""
    _own_mounts()
    used = 0
    if holds:
        files = (path for path in Path(holds).rglob("*") if path.is_file())
        used = sum(-(-path.stat().st_size // PAGE) * PAGE for path in files)
    _mount("tmpfs", folder, "tmpfs", 0, f"size={used + size}")
    if holds:
        shutil.copytree(holds, Path(folder) / Path(holds).name)


def read_only(folder: str) -> None:
    _own_mounts()
    _mount(folder, folder, "", BIND, "")
    _mount(folder, folder, "", BIND | REMOUNT | READ_ONLY, "")


def no_rights(path: str, mode: int = 0) -> None:
    """Nothing of root's rights, and ``path`` with these permissions."""
    Path(path).chmod(mode)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # version 3, this process
    nothing_at_all = (ctypes.c_uint32 * 6)()
    _called(ctypes.CDLL(None, use_errno=True).capset(header, nothing_at_all), "capset")


def limited(what: str, most: int) -> None:
    resource.setrlimit(getattr(resource, what), (most, most))


def folder_gone(folder: str) -> None:
    """The working directory is removed."""
    os.chdir(folder)
    Path(folder).rmdir()


def closed_ears(number: int) -> None:
    """Standard output or error takes nothing."""
    os.dup2(os.open("/dev/full", os.O_WRONLY), number)


def seven_bits() -> None:
    """A terminal that shows ASCII alone."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="ascii", errors="strict")  # type: ignore[union-attr]


def meanwhile(remove: str, after_slots: int) -> None:
    """A file or folder is removed while the run goes on."""
    recording = importlib.import_module("experiments.runs.recording").Recording
    keep, kept = recording.keep, []

    def removing(*arguments: Any, **options: Any) -> Any:
        kept.append(1)
        if len(kept) == after_slots:
            path = Path(remove)
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return keep(*arguments, **options)

    recording.keep = removing


def killed(after_slots: int) -> None:
    from tests.e2e.killed import at_call  # of another folder of tests

    place = "experiments.runs.recording:Recording.keep"
    at_call(place, after_slots, "after", lambda: os.kill(os.getpid(), signal.SIGKILL))


def _exit_code() -> int:
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def attempt(asked: dict[str, Any]) -> dict[str, Any]:
    """What the command line answers, in a fork that meets the fault first."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as seen:
        child = os.fork()
        if child == 0:
            code = 99
            try:
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
                globals()[asked["fault"]](**asked["options"])
                sys.argv[1:] = asked["arguments"]
                code = _exit_code()
                files = [str(path) for path in Path(asked["look"]).rglob("*")] if asked["look"] else []
                os.write(seen.fileno(), "\n".join(files).encode())
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        status = os.waitpid(child, 0)[1]
        for file in (out, err, seen):
            file.seek(0)
        return {
            "code": os.waitstatus_to_exitcode(status),
            "out": out.read().decode(errors="replace"),
            "err": err.read().decode(errors="replace"),
            "files": seen.read().decode().split("\n"),
        }


if __name__ == "__main__":
    for place, _ in COMMANDS.values():
        importlib.import_module(f"experiments.commands.{place.split(':')[0]}")
    for name in ("ledger_verify", "ledger_export", "data_status"):
        importlib.import_module(f"experiments.commands.{name}")
    importlib.import_module("experiments.runs.compare")
    for line in sys.stdin:
        print(json.dumps(attempt(json.loads(line))), flush=True)
