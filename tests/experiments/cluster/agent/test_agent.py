"""What a board is asked, on this machine: recorded processes, systemd by its program, and refusals."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_node.versions import COMPARED, versions
from experiments.cluster.agent import process, supervisor
from experiments.cluster.agent.answer import MARK, answer, main
from experiments.cluster.agent.files import offer, other, take
from experiments.cluster.agent.identity import Refused
from experiments.cluster.agent.installed import code_digest
from experiments.cluster.agent.machine import free_bytes, governors, throttled
from experiments.cluster.agent.process import Recorded, started_at

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="boards run Linux")
READY = """
import os, signal, socket, sys, time
if sys.argv[1:]:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
told.sendto(b"READY=1", "\\0" + os.environ["NOTIFY_SOCKET"][1:])
time.sleep(600)
"""
SLEEP, STUBBORN = [sys.executable, "-c", READY], [sys.executable, "-c", READY, "stubborn"]


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[Recorded]:
    found = Recorded(tmp_path / "state")
    yield found
    if (pid := found.pid()) is not None:
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """board.json of n0, where the agent looks for it."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr(supervisor, "BOOTED", tmp_path / "no systemd")
    path = tmp_path / "detabed" / "board.json"
    (path.parent / "node").mkdir(parents=True)
    (path.parent / "node" / "certificate.pem").write_text("PEM")
    folders = {"certificates": str(path.parent / "node"), "folder": str(tmp_path / "state")}
    path.write_text(json.dumps({"node_id": "n0", "coordinator": "127.0.0.1:1", **folders}))
    return path


def test_a_process_is_started_once_and_ended_by_its_record(recorded: Recorded) -> None:
    assert recorded.pid() is None
    assert recorded.stop() is False
    pid = recorded.start(SLEEP)
    assert recorded.start(SLEEP) == pid
    assert recorded.last_line() == "up", "it is waited for"
    assert os.getsid(pid) == pid, "it outlives the login"
    assert recorded.stop() is True
    assert started_at(pid) is None
    assert recorded.stop() is False


def test_one_that_does_not_listen_is_killed(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    send = signal.pidfd_send_signal

    def sent(handle: int, word: signal.Signals) -> None:
        # It is asked for a moment; one that is killed ends when the machine has time for it.
        monkeypatch.setattr(process, "END_S", 0.2 if word == signal.SIGTERM else 120.0)
        send(handle, word)

    monkeypatch.setattr(signal, "pidfd_send_signal", sent)
    pid = recorded.start(STUBBORN)
    assert recorded.stop() is True
    assert started_at(pid) is None


def test_one_that_ends_at_once_is_not_waited_for(recorded: Recorded) -> None:
    pid = recorded.start([sys.executable, "-c", "raise SystemExit('no certificate')"])
    assert (recorded.pid(), started_at(pid)) == (None, None)
    assert recorded.last_line() == "no certificate"


def test_one_that_ended_before_it_was_recorded_does_not_live(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(pid: int) -> str | None:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        return started_at(pid)

    monkeypatch.setattr(process, "started_at", late)
    pid = recorded.start([sys.executable, "-c", "raise SystemExit('no certificate')"])
    monkeypatch.undo()
    assert (recorded.pid(), started_at(pid)) == (None, None)
    assert recorded.stop() is False


def test_another_process_of_the_same_number_is_left_alone(recorded: Recorded, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as other:
        (tmp_path / "state").mkdir()
        for started in (f"{started_at(other.pid)}0", None, 7):
            (tmp_path / "state" / "daemon.json").write_text(
                json.dumps({"pid": other.pid, "started": started})
            )
            assert recorded.pid() is None
            assert recorded.stop() is False
        assert other.poll() is None
        other.kill()


@pytest.mark.parametrize("record", ["", "[]", "{}", '{"pid": "x"}'])
def test_a_record_that_cannot_be_read_is_none(recorded: Recorded, tmp_path: Path, record: str) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "daemon.json").write_text(record)
    assert recorded.pid() is None


def test_it_says_who_it_is_and_what_is_installed(board: Path) -> None:
    told = answer({"ask": "inspect", "node_id": "n0", "packages": list(COMPARED)})
    assert (told["node_id"], told["certificate"], told["fault"]) == ("n0", "PEM", "")
    assert told["versions"] == versions()
    assert told["daemon"] == {"running": False, "pid": None, "supervisor": "none", "said": ""}
    less = answer({"ask": "inspect", "node_id": "n0", "packages": ["no-such-package"]})
    assert set(less["versions"]) == {"python"}
    board.write_text(board.read_text().replace("127.0.0.1:1", "nowhere"))
    assert "coordinator" in answer({"ask": "inspect", "node_id": "n0", "packages": []})["fault"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "it has not joined"),
        ("{", "cannot be used"),
        ("[]", "cannot be used"),
        ('{"node_id": "n0"}', "cannot be used"),
        ('{"node_id": "n1", "folder": "/nowhere", "certificates": "/nowhere"}', "it answers as n1"),
    ],
)
@pytest.mark.parametrize("ask", ["inspect", "state", "start", "stop"])
def test_a_board_that_is_none_of_ours_does_nothing(
    board: Path, content: str | None, why: str, ask: str
) -> None:
    board.unlink() if content is None else board.write_text(content)
    told = answer({"ask": ask, "node_id": "n0", "packages": []})
    assert set(told) == {"refused"}
    assert why in told["refused"]


def test_a_unit_is_started_and_stopped_by_its_service_manager(
    board: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "systemctl"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> "{tmp_path}/called"\n'
        f'case "$2" in start) touch "{tmp_path}/on";; stop) rm -f "{tmp_path}/on";; esac\n'
        f'[ "$2" = show ] && if [ -e "{tmp_path}/on" ]; then echo ActiveState=active; echo MainPID=77; '
        f"else echo ActiveState=inactive; echo MainPID=0; fi; exit 0\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(supervisor, "BOOTED", tmp_path)
    unit = tmp_path / "systemd" / "user" / supervisor.UNIT
    unit.parent.mkdir(parents=True)
    unit.touch()

    def ask(what: str) -> dict[str, Any]:
        told: dict[str, Any] = answer({"ask": what, "node_id": "n0"})["daemon"]
        return told

    assert ask("state")["running"] is False
    begun = ask("start")
    assert (begun["began"], begun["running"], begun["pid"]) == (True, True, 77)
    assert begun["supervisor"] == "systemctl --user"
    assert ask("start")["began"] is False
    assert (ask("stop")["ended"], ask("stop")["ended"]) == (True, False)
    assert (tmp_path / "called").read_text().count(f"--user start {supervisor.UNIT}") == 1
    program.write_text("#!/bin/sh\necho 'no bus' >&2; exit 1\n")
    assert "systemctl --user show" in answer({"ask": "state", "node_id": "n0"})["refused"]
    assert not (tmp_path / "state").exists(), "nothing is started beside the unit"


def test_the_answer_is_one_marked_line(
    board: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["-c", json.dumps({"ask": "state", "node_id": "n0"})])
    main()
    printed = capsys.readouterr().out
    assert printed.startswith(MARK)
    assert printed.count("\n") == 1
    assert json.loads(printed.removeprefix(MARK))["daemon"]["running"] is False


def test_the_machine_says_its_governors_throttling_and_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (governors(tmp_path), throttled(tmp_path)) == ([], None)
    for core, name in enumerate(("performance", "ondemand", "performance")):
        place = tmp_path / f"sys/devices/system/cpu/cpu{core}/cpufreq"
        place.mkdir(parents=True)
        (place / "scaling_governor").write_text(f"{name}\n")
    assert governors(tmp_path) == ["ondemand", "performance"]
    program = tmp_path / "vcgencmd"
    program.write_text("#!/bin/sh\necho throttled=0x50005\n")
    program.chmod(0o755)
    assert throttled(tmp_path) == 0x50005
    file = tmp_path / "sys/devices/platform/soc/soc:firmware/get_throttled"
    file.parent.mkdir(parents=True)
    file.write_text("20000\n")
    assert throttled(tmp_path) == 0x20000
    assert free_bytes(tmp_path / "not" / "yet") > 0


def test_the_hash_of_code_is_that_of_names_and_contents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "some_package"
    (package / "__pycache__").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    assert code_digest(["some_package", "no_such_package"]) is None
    seen = {code_digest(["some_package"])}
    (package / "__pycache__" / "x.py").write_text("")
    (package / "notes.md").write_text("")
    assert code_digest(["some_package"]) in seen
    (package / "a.py").write_text("1")
    seen.add(code_digest(["some_package"]))
    (package / "a.py").write_text("2")
    seen.add(code_digest(["some_package"]))
    (package / "a.py").rename(package / "b.py")
    seen.add(code_digest(["some_package"]))
    assert len(seen) == 4


def test_all_that_a_check_compares_is_answered(board: Path) -> None:
    own = {"place": "own", "name": "a.py", "sha256": "0", "bytes": 1}
    request = {"node_id": "n0", "packages": [], "code": ["edge_node"], "sensors": ["hwmon"], "profile": None}
    assert "names no folder own_code" in answer({"ask": "check", "files": [own], **request})["refused"]
    request["files"] = [{**own, "place": "data"}]
    told = answer({"ask": "check", **request})
    assert told["code"] == code_digest(["edge_node"])
    assert (told["meter"], told["meter_fault"]) == (None, "")
    assert told["other_files"] == ["data/a.py"]
    assert told["took_s"] >= 0


@pytest.fixture
def who(tmp_path: Path) -> dict[str, Any]:
    """A board with places for files."""
    places = {"folder": tmp_path / "state", "own_code": tmp_path / "own", "data": tmp_path / "data"}
    return {"board_file": "board.json", **{name: str(place) for name, place in places.items()}}


def offered(place: str, name: str, body: str) -> dict[str, Any]:
    """A file as it is offered; ``arrive`` sends it."""
    return {
        "place": place,
        "name": name,
        "sha256": hashlib.sha256(body.encode()).hexdigest(),
        "bytes": len(body),
    }


def arrive(told: dict[str, Any], *bodies: str) -> None:
    for body in bodies:
        (Path(told["staging"]) / hashlib.sha256(body.encode()).hexdigest()).write_text(body)


def test_only_what_differs_is_wanted_and_takes_its_place(who: dict[str, Any], tmp_path: Path) -> None:
    files = [
        offered("own", "lab/task.py", "task"),
        offered("own", "lab/same.py", "task"),
        offered("data", "d", "1"),
    ]
    told = offer(who, files)
    assert sorted({file["sha256"] for file in files}) == told["wanted"]
    arrive(told, "task", "1")
    take(who, files)
    assert (tmp_path / "own" / "lab" / "same.py").read_text() == "task"
    assert (tmp_path / "data" / "d").read_text() == "1"
    assert (offer(who, files)["wanted"], other(who, files)) == ([], [])
    (tmp_path / "data" / "d").write_text("2")
    assert (offer(who, files)["wanted"], other(who, files)) == ([files[2]["sha256"]], ["data/d"])
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["d", "same.py", "task.py"]


def test_a_checkout_is_not_replaced_by_a_wheel(
    who: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "site" / "detabed-9.dist-info"
    place.mkdir(parents=True)
    (place / "METADATA").write_text("Metadata-Version: 2.1\nName: detabed\nVersion: 9\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    wheel = offered("wheel", "detabed-9-py3-none-any.whl", "x")
    assert offer(who, [wheel])["wanted"] == [wheel["sha256"]]
    (place / "direct_url.json").write_text(
        json.dumps({"url": "file:///home/me/detabed", "dir_info": {"editable": True}})
    )
    with pytest.raises(Refused, match="runs from a checkout, file:///home/me/detabed"):
        offer(who, [wheel])
    assert offer(who, [offered("own", "task.py", "x")])["wanted"] != []


def test_what_came_damaged_takes_no_place(who: dict[str, Any], tmp_path: Path) -> None:
    old, new = offered("own", "task.py", "old"), offered("own", "task.py", "new")
    arrive(offer(who, [old]), "old")
    take(who, [old])
    told = offer(who, [new])
    (Path(told["staging"]) / new["sha256"]).write_text("ne")
    with pytest.raises(Refused, match="came with sha256"):
        take(who, [new])
    offer(who, [new])
    with pytest.raises(Refused, match="came with sha256 None"):
        take(who, [new])
    assert (tmp_path / "own" / "task.py").read_text() == "old"
    assert [path.name for path in (tmp_path / "own").iterdir()] == ["task.py"]


@pytest.mark.parametrize(
    ("place", "name", "size", "why"),
    [
        ("own", "../task.py", 1, "no name below a folder"),
        ("own", "/etc/passwd", 1, "no name below a folder"),
        ("etc", "passwd", 1, "no place 'etc'"),
        ("own", "task.py", 1 << 60, "MB are needed"),
    ],
)
def test_files_without_place_or_room_are_refused(
    who: dict[str, Any], tmp_path: Path, place: str, name: str, size: int, why: str
) -> None:
    file = {**offered(place, name, "x"), "bytes": size}
    with pytest.raises(Refused, match=why):
        offer(who, [file])
    assert not (tmp_path / "state").exists()
