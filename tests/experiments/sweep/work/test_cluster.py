"""Workers on a Ray cluster as its processes greet, answer, end and do not come; the real one is in
tests/boards/test_sweep_on_ray.py."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from experiments.errors import RunError, UsageError
from experiments.fleet.ray_pool import Event, Member
from experiments.sweep.work import cluster
from experiments.sweep.work.cluster import RayWorkers
from experiments.sweep.work.far import Greeting
from experiments.sweep.work.jobs import Answer, Job

OURS = Greeting("here", "1", "code", "data")
JOBS = [Job(number, f"text {number}") for number in range(4)]


def greeting(**changes: str) -> str:
    return json.dumps(vars(replace(OURS, machine="there", **changes)))


class Pool:
    """In place of a cluster with two cores: a member greets with ``first``, and ``does`` says what comes of a job."""

    def __init__(self, does: Callable[[Job], str | None], first: str | None = None) -> None:
        self.does, self.first = does, first
        self.there: list[Member] = []
        self.coming: list[Event] = []
        self.asked: list[int] = []
        self.stopped = False
        self.core_count = 2

    def start(self) -> None: ...

    def stop(self) -> None:
        self.stopped = True

    def cores(self) -> int:
        return self.core_count

    def add(self) -> Member:
        member = Member(None, None)
        self.coming.append(Event(member, greeting() if self.first is None else self.first))
        return member

    def ask(self, member: Member, text: str) -> None:
        job = Job.of_line(text)
        self.asked.append(job.number)
        self.coming.append(Event(member, self.does(job), "exit code 7"))

    def events(self, timeout_s: float) -> list[Event]:
        come, self.coming = self.coming, []
        return come


def workers_on(pool: Pool, monkeypatch: pytest.MonkeyPatch, **options: Any) -> RayWorkers:
    monkeypatch.setattr(cluster.Greeting, "here", lambda: OURS)
    monkeypatch.setattr(cluster, "POLL_S", 0.01)
    found = RayWorkers("head:1", None, **options)
    monkeypatch.setattr(found, "_pool", pool)
    return found


def answered(job: Job) -> str:
    return Answer(job.number, result={"energy_j": 1.5}).as_line()


def test_every_job_is_answered_by_as_many_processes_as_there_are_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool = Pool(answered)
    with workers_on(pool, monkeypatch) as workers:
        for _ in range(2):  # resolving, then running: processes stay
            found = sorted(workers.answers(JOBS), key=lambda answer: answer.number)
            assert found == [Answer(job.number, result={"energy_j": 1.5}) for job in JOBS]
        assert len(workers._workers) == 2
    assert pool.stopped


def test_a_job_whose_process_ends_is_given_out_again_and_told_and_then_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    pool = Pool(lambda job: None if job.number == 1 else answered(job))
    with workers_on(pool, monkeypatch, say=said.append) as workers:
        found = {answer.number: answer for answer in workers.answers(JOBS)}
    assert found[1].failed == "its process ended 3 times, the last on there: exit code 7"
    assert [number for number, answer in found.items() if answer.result] == [0, 2, 3]
    assert pool.asked.count(1) == 3
    assert said == ["a process on there ended (exit code 7); its run is computed again"] * 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"version": "2"}, "has detabed 2, and this machine 1"),
        ({"code": "other"}, "has other code or other versions"),
        ({"data": "other"}, "has other large data files"),
    ],
)
def test_a_machine_with_other_content_is_refused(
    changes: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = Pool(answered, greeting(**changes))
    with (
        workers_on(pool, monkeypatch) as workers,
        pytest.raises(UsageError, match=f"there of the Ray cluster at head:1 {said}"),
    ):
        list(workers.answers(JOBS))
    # One that joins later ends the sweep, which keeps what it has.
    pool = Pool(answered)
    with workers_on(pool, monkeypatch) as workers:
        list(workers.answers(JOBS))
        pool.first = greeting(**changes)
        pool.core_count = 3
        with pytest.raises(RunError, match=said):
            list(workers.answers(JOBS))


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        "text",
        Answer(9).as_line(),
        '{"number": 0, "more": 1}',
        '{"number": 0, "result": {"energy_j": NaN}}',
        '{"number": 0, "result": {"energy_j": [1]}}',
    ],
)
def test_an_answer_that_is_none_ends_the_sweep(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        workers_on(Pool(lambda _: line), monkeypatch) as workers,
        pytest.raises(RunError, match="there answered"),
    ):
        list(workers.answers(JOBS))


def test_processes_that_do_not_come_end_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent(Pool):
        def events(self, timeout_s: float) -> list[Event]:
            return []

    with (
        workers_on(Silent(answered), monkeypatch, start_s=0.0) as workers,
        pytest.raises(RunError, match="gave no process within 0 s: no core is free"),
    ):
        list(workers.answers(JOBS))

    class Dying(Pool):
        def add(self) -> Member:
            member = Member(None, None)
            self.coming.append(Event(member, None, "ModuleNotFoundError: no detabed"))
            return member

    with (
        workers_on(Dying(answered), monkeypatch) as workers,
        pytest.raises(RunError, match="ended before it was ready: ModuleNotFoundError: no detabed"),
    ):
        list(workers.answers(JOBS))


@pytest.mark.parametrize("address", ["head", "10.0.0.1", "head:", "ray://head:1 x", ""])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(UsageError, match="no address; give HOST:PORT of the cluster's head, or auto"):
        RayWorkers(address, None)


def test_a_cluster_without_a_core_is_refused_and_left(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Pool(answered)
    pool.core_count = 0
    with pytest.raises(UsageError, match="has no core for cells"), workers_on(pool, monkeypatch):
        pass
    assert pool.stopped
