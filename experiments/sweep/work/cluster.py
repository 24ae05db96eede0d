"""Processes of a Ray cluster that runs already, as workers of a sweep.

A process that ends, or whose machine is lost, is replaced and its job is given out again, RETRIES times. Machines that
join meanwhile are used.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from experiments.errors import RunError, UsageError
from experiments.fleet.ray_cluster import ClusterRay
from experiments.fleet.ray_pool import Event, Member, RayPool
from experiments.sweep.work.far import ENVIRONMENT, Greeting
from experiments.sweep.work.jobs import RETRIES, Answer, Job, Workers

SERVER = "experiments.sweep.work.far:FarServer"
_ADDRESS = re.compile(r"auto|[A-Za-z0-9.\[\]:-]+:[0-9]{1,5}")
POLL_S = 2.0
"""Longest wait until machines are counted again."""
STARTS = 3
"""Times in a row that a process may end before it greets."""
START_S = 180.0
"""Longest time without a process, while the cluster has no core free."""


@dataclass(eq=False)
class _Worker:
    machine: str = ""
    """Empty as long as it is to come."""
    job: Job | None = None


@dataclass
class RayWorkers(Workers):
    """As many processes as the cluster has cores, or ``count``."""

    address: str
    """``host:port`` of the cluster's head, or ``auto``."""
    count: int | None
    insecure: bool = False
    """Scenarios and results may travel in the clear, as coordinator.insecure says."""
    say: Callable[[str], None] = lambda _: None
    """Told of every process that died and whose job is given out again."""
    start_s: float = START_S
    _workers: dict[Member, _Worker] = field(default_factory=dict)
    _deaths: dict[int, int] = field(default_factory=dict)
    _unready: int = 0
    _checked: bool = False
    """The scenarios are resolved: what is refused from now on ends the sweep, and what it has is kept."""

    def __post_init__(self) -> None:
        if not _ADDRESS.fullmatch(self.address):
            raise UsageError(
                f"--ray {self.address}: no address; give HOST:PORT of the cluster's head, or auto"
            )
        cluster = ClusterRay(self.address, host=None, insecure=self.insecure, given_as="--ray")
        self._pool = RayPool(cluster, SERVER, ENVIRONMENT)

    @property
    def again(self) -> str:
        return f" --ray {self.address}"

    def __enter__(self) -> RayWorkers:
        """Join. Raises UsageError where the cluster does not take us, or has no core."""
        self._pool.start()
        if not self._pool.cores():
            self._pool.stop()
            raise UsageError(
                f"the Ray cluster at {self.address} has no core for cells; on a machine that shall compute: ray start "
                "--address HEAD:PORT --num-cpus N"
            )
        self._ours = Greeting.here()
        return self

    def __exit__(self, *_: object) -> None:
        self._workers = {}
        self._pool.stop()

    def answers(self, jobs: Sequence[Job]) -> Iterator[Answer]:
        """See Workers. Raises RunError where no process starts; UsageError, or RunError in the second call and after,
        where a machine has other code or data than this one."""
        waiting, missing = deque(jobs), len(jobs)
        self._deaths = {}
        for member, worker in self._workers.items():
            if worker.machine:
                self._ask(member, waiting)
        last = time.monotonic()
        while missing:
            while len(self._workers) < min(self.count or self._pool.cores(), missing):
                self._workers[self._pool.add()] = _Worker()
            for event in self._pool.events(POLL_S) if self._workers else self._none():
                for answer in self._hear(event, waiting):
                    missing -= 1
                    yield answer
            if any(worker.machine for worker in self._workers.values()):
                last = time.monotonic()
            elif time.monotonic() - last > self.start_s:
                raise RunError(
                    f"the Ray cluster at {self.address} gave no process within {self.start_s:g} s: no core is free, or "
                    "its machines are gone; `ray status` shows them"
                )
        self._checked = True

    @staticmethod
    def _none() -> list[Event]:
        """No machine is there at present."""
        time.sleep(POLL_S)
        return []

    def _ask(self, member: Member, waiting: deque[Job]) -> None:
        if waiting:
            job = self._workers[member].job = waiting.popleft()
            self._pool.ask(member, job.as_line())

    def _hear(self, event: Event, waiting: deque[Job]) -> Iterator[Answer]:
        worker = self._workers[event.member]
        if event.text is None:
            del self._workers[event.member]
            yield from self._died(worker, event.why, waiting)
            return
        if not worker.machine:
            worker.machine = self._greeted(event.text)
            self._unready = 0
        else:
            job, worker.job = worker.job, None
            assert job is not None  # it was asked
            yield self._checked_answer(event.text, job, worker.machine)
        self._ask(event.member, waiting)

    def _greeted(self, text: str) -> str:
        """Name of the machine."""
        try:
            theirs = Greeting.of_line(text)
        except ValueError as error:
            raise RunError(f"a process of the Ray cluster at {self.address} said {error}") from None
        if why := self._ours.differs(theirs):
            kind = RunError if self._checked else UsageError
            raise kind(f"{theirs.machine} of the Ray cluster at {self.address} {why}")
        return theirs.machine

    @staticmethod
    def _checked_answer(text: str, job: Job, machine: str) -> Answer:
        try:
            found = Answer.of_line(text)
        except ValueError as error:
            raise RunError(f"{machine} answered {error}") from None
        if found.number != job.number:
            raise RunError(f"{machine} answered job {found.number}, and was asked {job.number}")
        return found

    def _died(self, worker: _Worker, why: str, waiting: deque[Job]) -> Iterator[Answer]:
        if not worker.machine:
            self._unready += 1
            if self._unready >= STARTS:
                raise RunError(
                    f"a process of the Ray cluster at {self.address} ended before it was ready: {why}; its logs are "
                    "where Ray keeps them on its machine"
                )
        if (job := worker.job) is None:
            return
        deaths = self._deaths[job.number] = self._deaths.get(job.number, 0) + 1
        if deaths > RETRIES:
            yield Answer(
                job.number, failed=f"its process ended {deaths} times, the last on {worker.machine}: {why}"
            )
        else:
            self.say(f"a process on {worker.machine} ended ({why}); its run is computed again")
            waiting.appendleft(job)
