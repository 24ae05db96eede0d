"""What goes to boards: wheel, data sets and files of one's own, with their hashes; only what differs is sent."""

from __future__ import annotations

import hashlib
import itertools
import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carbon_data.files.datasets import DATASETS, DatasetState, dataset, status_of
from carbon_data.files.whole import whole_file
from carbon_data.types import DataError
from experiments.cluster.agent.files import DATA, OWN, WHEEL, sha256
from experiments.cluster.boards import Answers, each
from experiments.cluster.ssh import Ssh
from experiments.errors import UsageError
from experiments.progress import Watch

_SKIPPED = ("__pycache__",)


@dataclass(frozen=True)
class Sent:
    """A file for boards."""

    place: str
    """``wheel``, ``own`` or ``data``."""
    name: str
    """Below the folder of its place."""
    source: Path
    sha256: str
    size_bytes: int

    @classmethod
    def of(cls, place: str, name: str, source: Path) -> Sent:
        """Raises UsageError where it cannot be read."""
        try:
            with source.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            return cls(place, name, source.absolute(), digest, source.stat().st_size)
        except OSError as error:
            raise UsageError(
                f"{source} cannot be read: {error}; give a file or folder that is there"
            ) from None

    def told(self) -> dict[str, Any]:
        return {"place": self.place, "name": self.name, "sha256": self.sha256, "bytes": self.size_bytes}


def wheel_file(path: Path) -> Sent:
    return Sent.of(WHEEL, path.name, path)


def own_files(paths: Iterable[Path]) -> Iterator[Sent]:
    """Files as they are named, and folders (packages) with all in them."""
    for path in paths:
        if not path.is_dir():
            yield Sent.of(OWN, path.name, path)
            continue
        folder = path.absolute()
        for source in sorted(folder.rglob("*")):
            inside = source.relative_to(folder.parent)
            if source.is_file() and not any(p in _SKIPPED or p.startswith(".") for p in inside.parts):
                yield Sent.of(OWN, inside.as_posix(), source)


def data_files(names: Iterable[str]) -> Iterator[Sent]:
    """Data sets by name; ``all``: those that are here. Raises UsageError for one that is unknown, or not whole here."""
    wanted = list(names)
    try:
        rows = [status_of(dataset(name)) for name in wanted if name != "all"]
    except DataError as error:
        raise UsageError(str(error)) from None
    for row in rows:
        if row.state is not DatasetState.PRESENT:
            raise UsageError(f"data set {row.dataset.name} is {row.state} here: {row.detail}")
    if "all" in wanted:
        rows += [row for row in map(status_of, DATASETS) if row.state is DatasetState.PRESENT]
    for row in {row.dataset.name: row for row in rows}.values():
        yield Sent.of(DATA, row.dataset.path, row.path)


class Record:
    """What was pushed to each board, in the cluster's folder: ``check`` compares it with what is there."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "pushed.json"

    def of(self, node_id: str) -> list[dict[str, Any]]:
        """Each with ``place``, ``name``, ``sha256`` and ``source``."""
        return list(self._read().get(node_id, []))

    def add(self, node_id: str, files: Sequence[Sent]) -> None:
        """Without wheels, whose code is compared."""
        known = self._read()
        mine = {(each["place"], each["name"]): each for each in known.get(node_id, [])}
        for file in files:
            if file.place != WHEEL:
                mine[file.place, file.name] = {**file.told(), "source": str(file.source)}
        with whole_file(self._path) as draft:
            draft.write_text(json.dumps({**known, node_id: list(mine.values())}, indent=1), encoding="utf-8")

    def changed_here(self, node_id: str) -> list[str]:
        """Names of files whose source is another now, or gone."""
        return [
            f"{file['place']}/{file['name']}"
            for file in self.of(node_id)
            if sha256(Path(file["source"])) != file["sha256"]
        ]

    def _read(self) -> dict[str, list[dict[str, Any]]]:
        if not self._path.exists():
            return {}
        found: dict[str, list[dict[str, Any]]] = json.loads(self._path.read_text(encoding="utf-8"))
        return found


def offer(boards: Sequence[Ssh], files: dict[str, list[Sent]]) -> Answers:
    """What each board wants of its files: ``wanted`` (hashes) and ``staging``."""
    return each(boards, lambda ssh: _ask(ssh, "offer", files[ssh.board.name]))


def deliver(
    boards: Sequence[Ssh], files: dict[str, list[Sent]], offered: dict[str, dict[str, Any]], watch: Watch
) -> Answers:
    """Send what is wanted, and have it put into its places. ``watch`` is told how many boards have it."""
    served = itertools.count(1)
    watch("sending, boards", 0, len(boards))

    def one(ssh: Ssh) -> dict[str, Any]:
        mine, told = files[ssh.board.name], offered[ssh.board.name]
        wanted = [file for file in mine if file.sha256 in told["wanted"]]
        if wanted:
            with _named_by_hash(wanted) as paths:
                ssh.copy(paths, told["staging"])
            _ask(ssh, "take", mine)
        watch("sending, boards", next(served), len(boards))
        return {"sent": [file.told() for file in wanted]}

    return each(boards, one)


def _ask(ssh: Ssh, ask: str, files: Sequence[Sent]) -> dict[str, Any]:
    told = [file.told() for file in files]
    return ssh.ask(ask, patience_s=600.0, node_id=ssh.board.name, files=told)


@contextmanager
def _named_by_hash(files: Sequence[Sent]) -> Iterator[list[Path]]:
    with tempfile.TemporaryDirectory() as folder:
        for file in files:
            link = Path(folder) / file.sha256
            link.unlink(missing_ok=True)
            link.symlink_to(file.source)
        yield sorted(Path(folder).iterdir())
