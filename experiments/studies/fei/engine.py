"""The sweep engine: jobs on a few processes, every result kept under the hash of all it depends on.

A result's file name is the job's key, so a changed setting, code or data set never meets an old result, and an
interrupted study computes only what is missing. A file that exists is whole: results are written beside and
moved into place. A job may say where it stands (``tell``): the bar moves and gives the remaining time while
jobs that take hours are under way.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context, parent_process
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.progress import Progress, TaskID, TextColumn

from carbon_data.files.whole import whole_file
from edge_node.tasks.memory import keep_memory
from experiments.progress import progress_bar
from experiments.studies.unheard import unheard

LOOK_EVERY_S = 1.0
"""Between two looks at what running jobs say."""
SPEED_OVER_S = 600.0
"""Remaining time: from the speed of the last ten minutes."""
ALMOST = 0.98
"""Most that a running job counts as done: expected costs are estimates."""


class Job(Protocol):
    """One cell of a study: plain data, sent to a process of its own."""

    @property
    def weight(self) -> float:
        """Expected cost against other jobs, in any one unit: the longest start first, and the bar counts it."""
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


def tell(scratch: Path, text: str, done: float) -> None:
    """From inside a job: where it stands in words, and how much of its ``weight`` is done."""
    with whole_file(scratch.with_suffix(".said")) as draft:
        draft.write_text(json.dumps({"text": text, "done": done}), encoding="utf-8")


def _compute(job: Job, path: Path) -> None:
    scratch = path.with_suffix(".partial")
    cpu, wall = time.process_time(), time.perf_counter()
    result = job.compute(scratch)
    result["cost"] = {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall}
    with whole_file(path) as draft:
        draft.write_text(json.dumps(result, allow_nan=False), encoding="utf-8")
    scratch.unlink(missing_ok=True)
    path.with_suffix(".said").unlink(missing_ok=True)


def run_jobs(
    jobs: Sequence[Job],
    cache: Path,
    *,
    what: str,
    console: Console | None = None,
    workers: int,
) -> tuple[list[dict[str, Any]], int]:
    """Results in the order of ``jobs``, and how many had to be computed.

    Equal keys are computed once. Errors of a job are raised as they are; what was finished before stays kept.
    """
    cache.mkdir(parents=True, exist_ok=True)
    paths = [cache / f"{job.key()}.json" for job in jobs]
    missing = {path: job for path, job in zip(paths, jobs, strict=True) if not path.exists()}
    if missing:
        order = sorted(missing, key=lambda path: -missing[path].weight)
        with sweep_bar(console) as progress:
            watch = Watch(progress, what, {path: missing[path].weight for path in order})
            try:
                for _ in _finished([(missing[path], path) for path in order], workers):
                    watch.update()
            finally:
                watch.stop()
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths], len(missing)


def sweep_bar(console: Console | None) -> Progress:
    return progress_bar(console, TextColumn("{task.fields[jobs]}"), speed_over_s=SPEED_OVER_S)


class Watch:
    """Keeps the bar at the weight of finished jobs and at what running ones say of theirs."""

    def __init__(self, progress: Progress, what: str, weights: dict[Path, float]) -> None:
        self.progress, self.weights = progress, weights
        self.task: TaskID = progress.add_task(what, total=sum(weights.values()), jobs="", detail="")
        self.start = {path: _said(path)["done"] for path in weights}
        """Done by an earlier, interrupted study: no speed of this one."""
        self.stopped = threading.Event()
        self.update()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while not self.stopped.wait(LOOK_EVERY_S):
            self.update()

    def update(self) -> None:
        done, ready, said = 0.0, 0, ""
        total = 0.0
        for path, weight in self.weights.items():
            before = min(self.start[path], ALMOST * weight)
            total += weight - before
            if path.exists():
                ready += 1
                done += weight - before
                continue
            where = _said(path)
            said = where["text"] or said
            done += max(0.0, min(where["done"], ALMOST * weight) - before)
        jobs = f"{ready}/{len(self.weights)}"
        self.progress.update(self.task, completed=done, total=total, jobs=jobs, detail=said)

    def stop(self) -> None:
        self.stopped.set()
        self.thread.join()


def _said(path: Path) -> dict[str, Any]:
    # Gone between two looks, because the job has just finished: nothing said.
    with contextlib.suppress(FileNotFoundError):
        said: dict[str, Any] = json.loads(path.with_suffix(".said").read_text(encoding="utf-8"))
        return said
    return {"text": "", "done": 0.0}


def _start_worker(stop: Event) -> None:
    """In a worker: end together with the study, so that no computation continues without it; keep memory."""
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        while not stop.wait(LOOK_EVERY_S) and parent.is_alive():
            pass
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    keep_memory()


def _finished(work: Sequence[tuple[Job, Path]], workers: int) -> Iterable[None]:
    if workers == 1 or len(work) < 2:
        for job, path in work:
            _compute(job, path)
            yield
        return
    size, context = min(workers, len(work)), get_context("spawn")
    stop = context.Event()
    with ProcessPoolExecutor(size, mp_context=context, initializer=_start_worker, initargs=(stop,)) as pool:
        try:
            with unheard():
                pending: set[Future[None]] = {pool.submit(_compute, job, path) for job, path in work}
            while pending:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
                    yield
        except BaseException:
            # What runs has kept its state, and ends when it looks next; what still starts has to find ``stop``.
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
