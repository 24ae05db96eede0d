"""The second process, drawing real reports."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from experiments.report import second_process
from experiments.report.second_process import SecondProcess
from tests.experiments.children import children

pytestmark = pytest.mark.processes
MakeRun = Callable[..., Path]


@pytest.fixture
def second(monkeypatch: pytest.MonkeyPatch) -> Iterator[SecondProcess]:
    monkeypatch.setattr(second_process, "cpu_count", lambda: 2)
    with SecondProcess() as started:
        started.start()
        yield started


def drawing() -> psutil.Process:
    """The process that draws."""
    (child,) = [child for child, line in children() if second_process.MODULE in " ".join(line)]
    return child


def test_it_draws_what_it_is_asked_for(second: SecondProcess, make_run: MakeRun) -> None:
    folder = make_run("deta", 0, nodes=3)
    pictures = second.ask({"folder": str(folder), "section": "stages"})
    assert [(folder / "figures" / f"{one['name']}.svg").is_file() for one in pictures] == [True] * 3
    assert all(one["svg"].startswith("<svg") for one in pictures)


def test_it_goes_on_after_what_it_could_not_draw(second: SecondProcess, make_run: MakeRun) -> None:
    folder = make_run("deta", 0, nodes=3)
    assert second.ask({"folder": str(folder / "nowhere"), "section": "stages"}) is None
    assert second.ask({"folder": str(folder), "section": "no such"}) is None
    assert [one["name"] for one in second.ask({"folder": str(folder), "section": "stages"})]


def test_killed_it_answers_nothing_and_stops(second: SecondProcess, make_run: MakeRun) -> None:
    child = drawing()
    child.send_signal(signal.SIGKILL)
    psutil.wait_procs([child])
    assert second.ask({"folder": str(make_run("deta", 0, nodes=3)), "section": "day"}) is None
    assert not second.works


def test_it_ends_when_it_is_stopped(second: SecondProcess) -> None:
    child = drawing()
    second.stop()
    assert not child.is_running()
    second.stop()


def test_one_that_does_not_end_is_killed_and_said_to_be(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    deaf = (
        "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    )
    monkeypatch.setattr(second_process, "command", lambda module: [sys.executable, "-c", deaf])
    monkeypatch.setattr(second_process, "cpu_count", lambda: 2)
    monkeypatch.setattr(second_process, "PATIENCE_S", 0.2)
    second = SecondProcess()
    second.start()
    process = second._process
    assert process is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "deaf\n"
    second.stop()
    assert process.poll() == -signal.SIGKILL
    assert f"process {process.pid}, which draws figures, did not end within 0.2 s" in caplog.text


def test_one_that_does_not_answer_is_killed_and_said_to_be(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    mute = "import sys, time; sys.stdin.readline(); time.sleep(600)"
    monkeypatch.setattr(second_process, "command", lambda module: [sys.executable, "-c", mute])
    monkeypatch.setattr(second_process, "cpu_count", lambda: 2)
    monkeypatch.setattr(second_process, "ANSWER_S", 0.2)
    with SecondProcess() as second:
        second.start()
        process = second._process
        assert process is not None
        assert second.ask({"folder": "any", "section": "day"}) is None
        process.wait()
        assert not second.works
        assert f"process {process.pid}, which draws figures, did not answer within 0.2 s" in caplog.text


def test_a_machine_with_one_processor_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_process, "cpu_count", lambda: 1)
    with SecondProcess() as second:
        second.start()
        assert not second.works


def test_an_interrupt_from_the_terminal_does_not_reach_it(second: SecondProcess) -> None:
    assert os.getpgid(drawing().pid) != os.getpgrp()
