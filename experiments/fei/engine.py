"""The sweep engine: jobs on two processes, every result kept under the hash of all it depends on.

A result's file name is the job's key, so a changed setting, code or data set never meets an old result, and an
interrupted study computes only what is missing. A file that exists is whole: results are written beside and
moved into place.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

WORKERS = 2


class Job(Protocol):
    """One cell of a study: plain data, sent to a process of its own."""

    @property
    def weight(self) -> float:
        """Expected cost against other jobs: the longest start first."""
        ...

    def key(self) -> str:
        """Content hash of everything the result depends on."""
        ...

    def compute(self, scratch: Path) -> dict[str, Any]:
        """The result, JSON-able. ``scratch`` may hold what an interrupted computation left there, and is
        removed when the result is kept."""
        ...


def content_key(*parts: object) -> str:
    """sha256 over JSON-able parts."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def digest_files(files: Iterable[Any]) -> str:
    """sha256 over the bytes of source files, in the order given (paths or importlib resources)."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _compute(job: Job, path: Path) -> None:
    scratch = path.with_suffix(".partial")
    cpu, wall = time.process_time(), time.perf_counter()
    result = job.compute(scratch)
    result["cost"] = {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall}
    draft = path.with_suffix(f".{os.getpid()}.part")
    draft.write_text(json.dumps(result, allow_nan=False), encoding="utf-8")
    os.replace(draft, path)
    scratch.unlink(missing_ok=True)


def run_jobs(
    jobs: Sequence[Job],
    cache: Path,
    *,
    what: str,
    console: Console | None = None,
    workers: int = WORKERS,
) -> tuple[list[dict[str, Any]], int]:
    """Results in the order of ``jobs``, and how many had to be computed.

    Equal keys are computed once. Errors of a job are raised as they are; what was finished before stays kept.
    """
    cache.mkdir(parents=True, exist_ok=True)
    paths = [cache / f"{job.key()}.json" for job in jobs]
    missing = {path: job for path, job in zip(paths, jobs, strict=True) if not path.exists()}
    if missing:
        shown = console if console is not None else Console(quiet=True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("remaining"),
            TimeRemainingColumn(elapsed_when_finished=False),
        )
        order = sorted(missing, key=lambda path: -missing[path].weight)
        with Progress(*columns, console=shown) as progress:
            task = progress.add_task(what, total=len(missing))
            for _ in _finished([(missing[path], path) for path in order], workers):
                progress.advance(task)
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths], len(missing)


def _end_with_parent() -> None:
    """In a worker: a study that is killed leaves no process behind to compute for nobody."""
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _finished(work: Sequence[tuple[Job, Path]], workers: int) -> Iterable[None]:
    if workers == 1 or len(work) < 2:
        for job, path in work:
            _compute(job, path)
            yield
        return
    size, context = min(workers, len(work)), get_context("spawn")
    with ProcessPoolExecutor(size, mp_context=context, initializer=_end_with_parent) as pool:
        pending: set[Future[None]] = {pool.submit(_compute, job, path) for job, path in work}
        try:
            while pending:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
                    yield
        except BaseException:
            for future in pending:
                future.cancel()
            raise
