"""Processes of this machine that compute cells, one thread each.

A process that dies is started again and its job is given out again, RETRIES times; then the job is answered as failed.
They are no children of Python's multiprocessing, which would run the user's own script once more in each of them.
"""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from edge_node.adapters.node_host import process_environment
from experiments.errors import RunError
from experiments.fleet.spawn import command
from experiments.sweep.files import LOG, SCRATCH
from experiments.sweep.work.jobs import RETRIES, Answer, Job, Workers

MODULE = "experiments.sweep.work.worker"
STARTS = 3
"""Times in a row that a process may end before it is ready."""


@dataclass(eq=False)
class _Worker:
    process: subprocess.Popen[bytes]
    rest: bytes = b""
    job: Job | None = None
    ready: bool = False

    def ask(self, job: Job) -> None:
        self.job = job
        assert self.process.stdin is not None  # a pipe was asked for
        with suppress(BrokenPipeError):  # it has died, which its answers tell
            self.process.stdin.write(job.as_line().encode() + b"\n")
            self.process.stdin.flush()

    def lines(self) -> list[str] | None:
        """What it has said; None when it has ended."""
        assert self.process.stdout is not None
        part = os.read(self.process.stdout.fileno(), 1 << 16)
        *whole, self.rest = (self.rest + part).split(b"\n")
        return [line.decode() for line in whole] if part else None

    def end(self) -> None:
        self.process.kill()  # what it computes is not kept, and is computed again
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with suppress(OSError):
                pipe.close()


@dataclass
class LocalWorkers(Workers):
    """``count`` processes at most; they are started when there is work for them."""

    count: int
    folder: Path
    """Of the sweep: runs under way and the log of the processes lie in it."""
    say: Callable[[str], None] = lambda _: None
    """Told of every process that died and whose job is given out again."""
    _workers: list[_Worker] = field(default_factory=list)
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    _deaths: dict[int, int] = field(default_factory=dict)
    _unready: int = 0

    @property
    def again(self) -> str:
        return ""

    def __enter__(self) -> LocalWorkers:
        shutil.rmtree(self.folder / SCRATCH, ignore_errors=True)  # of an earlier call that was killed
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.end()
        self._workers = []
        self._selector.close()
        shutil.rmtree(self.folder / SCRATCH, ignore_errors=True)
        with suppress(OSError):
            if (self.folder / LOG).stat().st_size == 0:
                (self.folder / LOG).unlink()

    @property
    def pids(self) -> tuple[int, ...]:
        return tuple(worker.process.pid for worker in self._workers)

    def answers(self, jobs: Sequence[Job]) -> Iterator[Answer]:
        """See Workers. Raises RunError where processes do not start."""
        waiting, missing = deque(jobs), len(jobs)
        self._deaths = {}
        for worker in self._workers:
            if worker.ready and waiting:
                worker.ask(waiting.popleft())
        while missing:
            while len(self._workers) < min(self.count, missing):
                self._start()
            for key, _ in self._selector.select():
                for answer in self._hear(key.data, waiting):
                    missing -= 1
                    yield answer

    def _hear(self, worker: _Worker, waiting: deque[Job]) -> Iterator[Answer]:
        said = worker.lines()
        if said is None:
            yield from self._died(worker, waiting)
            return
        for line in said:
            if worker.job is not None:
                worker.job = None
                yield Answer.of_line(line)
            worker.ready, self._unready = True, 0
            if waiting:
                worker.ask(waiting.popleft())

    def _died(self, worker: _Worker, waiting: deque[Job]) -> Iterator[Answer]:
        self._selector.unregister(worker.process.stdout)  # type: ignore[arg-type]
        self._workers.remove(worker)
        worker.end()
        why = _why(worker.process.returncode)
        if not worker.ready:
            self._unready += 1
            if self._unready >= STARTS:
                raise RunError(
                    f"a process that computes cells ended {why} before it was ready; see {self.folder / LOG}"
                )
        if (job := worker.job) is None:
            return
        deaths = self._deaths[job.number] = self._deaths.get(job.number, 0) + 1
        if deaths > RETRIES:
            yield Answer(
                job.number, failed=f"its process ended {why}, {deaths} times; see {LOG} in the sweep's folder"
            )
        else:
            self.say(f"a process that computes cells ended {why}; its run is computed again")
            waiting.appendleft(job)

    def _start(self) -> None:
        (self.folder / SCRATCH).mkdir(exist_ok=True)
        with (self.folder / LOG).open("ab") as log:
            process = subprocess.Popen(
                command(MODULE, str(self.folder / SCRATCH)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **process_environment(), "OPENBLAS_NUM_THREADS": "1"},
                process_group=0,  # Ctrl-C reaches the sweep, which ends them
            )
        worker = _Worker(process)
        self._workers.append(worker)
        self._selector.register(process.stdout, selectors.EVENT_READ, worker)  # type: ignore[arg-type]


def _why(code: int) -> str:
    if code >= 0:
        return f"with exit code {code}"
    try:
        return f"by {signal.Signals(-code).name}"
    except ValueError:
        return f"by signal {-code}"
