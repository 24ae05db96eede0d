"""Files that come to a board: only what differs is asked for; each takes its place whole, its hash compared."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from .identity import Refused
from .installed import from_checkout
from .machine import free_bytes

WHEEL, OWN, DATA = "wheel", "own", "data"
PACKAGE = "detabed"
SPARE_BYTES = 200_000_000
INSTALL_S = 300.0


def offer(who: dict[str, Any], files: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Hashes of the files that the board lacks, and the folder that takes them. Raises Refused where they have no
    place, or no room, or where a wheel would take the place of somebody's checkout."""
    wanted = [file for file in files if not _is_there(who, file)]
    checkout = from_checkout(PACKAGE)
    if checkout is not None and any(file["place"] == WHEEL for file in wanted):
        raise Refused(
            f"its {PACKAGE} runs from a checkout, {checkout}: update that one, or install without --editable"
        )
    needed = 2 * sum(file["bytes"] for file in wanted)
    free = free_bytes(Path(who["folder"]))
    if wanted and free < needed + SPARE_BYTES:
        raise Refused(f"{free / 1e6:.0f} MB are free, {(needed + SPARE_BYTES) / 1e6:.0f} MB are needed")
    staging = _staging(who)
    if wanted:
        staging.mkdir(parents=True, exist_ok=True, mode=0o700)
    return {"wanted": sorted({file["sha256"] for file in wanted}), "staging": str(staging)}


def take(who: dict[str, Any], files: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Put what came into its places, files first, and install the wheel. Raises Refused where one is not what was
    offered; those before it are in place then, each whole."""
    staging = _staging(who)
    try:
        for file in sorted(files, key=lambda file: bool(file["place"] == WHEEL)):
            came = staging / file["sha256"]
            if file["place"] == WHEEL:
                if came.exists():
                    _install(came, file, staging / PurePosixPath(file["name"]).name)
            elif not _is_there(who, file):
                _put(came, file, _target(who, file))
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return {}


def other(who: dict[str, Any], files: Sequence[dict[str, Any]]) -> list[str]:
    """Names of files that are missing or not as they were pushed."""
    return [f"{file['place']}/{file['name']}" for file in files if not _is_there(who, file)]


def sha256(path: Path) -> str | None:
    """None: there is no such file."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _is_there(who: dict[str, Any], file: dict[str, Any]) -> bool:
    # A wheel is offered where the installed code is other; it has no place of its own.
    return file["place"] != WHEEL and sha256(_target(who, file)) == file["sha256"]


def _staging(who: dict[str, Any]) -> Path:
    return Path(who["folder"]) / "pushed"


def _target(who: dict[str, Any], file: dict[str, Any]) -> Path:
    name = PurePosixPath(file["name"])
    if name.is_absolute() or ".." in name.parts or not name.parts:
        raise Refused(f"{file['name']!r} is no name below a folder")
    return _folder(who, file["place"]) / name


def _folder(who: dict[str, Any], place: str) -> Path:
    if place == OWN:
        if who["own_code"] is None:
            raise Refused(f"{who['board_file']} names no folder own_code")
        return Path(who["own_code"])
    if place != DATA:
        raise Refused(f"there is no place {place!r}")
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    named = who["data"] or os.environ.get("DETABED_DATA_DIR", "").strip()
    return Path(named) if named else Path(cache) / "detabed" / "data"


def _require(came: Path, file: dict[str, Any]) -> None:
    if (found := sha256(came)) != file["sha256"]:
        raise Refused(f"{file['name']} came with sha256 {found}, and not {file['sha256']}")


def _put(came: Path, file: dict[str, Any], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.part")
    try:
        if came.exists():
            shutil.copyfile(came, draft)
        _require(draft, file)
        with draft.open("rb+") as written:
            os.fsync(written.fileno())
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def _install(came: Path, file: dict[str, Any], wheel: Path) -> None:
    _require(came, file)
    came.rename(wheel)
    options = ["--no-deps", "--no-index", "--force-reinstall", "--disable-pip-version-check", "--quiet"]
    command = [sys.executable, "-P", "-m", "pip", "install", *options, str(wheel)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    if done.returncode != 0:
        raise Refused(f"pip did not install {wheel.name}: {' '.join(done.stderr.split())}")
