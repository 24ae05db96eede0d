"""A board over ssh, with a program in place of OpenSSH's: what is called, and the sentence for each failure. With a
real sshd: tests/boards/test_cluster.py."""

from __future__ import annotations

import io
import json
import stat
import sys
import zipfile
from pathlib import Path

import pytest

from experiments.cluster.boards import ask_all, chosen, version_fault
from experiments.cluster.inventory import Board, Inventory
from experiments.cluster.ssh import BoardError, Ssh, agent
from experiments.errors import UsageError

FAKE = """#!{python}
import json, os, subprocess, sys
from pathlib import Path
here = Path(__file__).parent
(here / "called").write_text(json.dumps(sys.argv[1:]))
said = json.loads((here / "said").read_text())
if said is None:
    os.execvp("sh", ["sh", "-c", sys.argv[-1]])
sys.stdout.write(said["out"])
sys.stderr.write(said["err"])
sys.exit(said["code"])
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of a program ``ssh`` that says what ``said`` holds, or (null) executes the command here."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "ssh"
    program.write_text(FAKE.format(python=sys.executable))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return folder


def says(fake: Path, out: str = "", err: str = "", code: int = 0) -> None:
    (fake / "said").write_text(json.dumps({"out": out, "err": err, "code": code}))


def board(**more: object) -> Board:
    return Board.model_validate({"name": "n0", "address": "10.77.0.11", "python": sys.executable, **more})


def test_the_agent_is_sent_whole_and_needs_nothing_of_ours(fake: Path, tmp_path: Path) -> None:
    (fake / "said").write_text("null")
    with pytest.raises(
        BoardError, match=r"it has not joined \(.*board.json is not there\); detabed cluster invite n0"
    ):
        Ssh(board(user="me", ssh_port=2222), Path("config")).ask("state", node_id="n0")
    called = json.loads((fake / "called").read_text())
    assert called[: called.index("--") + 2] == [
        *("-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-F", "config", "-p", "2222", "-l", "me"),
        *("--", "10.77.0.11"),
    ]
    names = zipfile.ZipFile(io.BytesIO(agent())).namelist()
    assert "detabed_agent/answer.py" in names
    assert all(name.startswith("detabed_agent/") for name in names)


def test_what_else_a_login_prints_is_passed_over(fake: Path) -> None:
    says(fake, out='Welcome!\ndetabed-answer {"daemon": 1}\nbye\n')
    assert Ssh(board()).ask("state") == {"daemon": 1}


@pytest.mark.parametrize(
    ("out", "err", "code", "why"),
    [
        (
            "",
            "ssh: connect to host 10.77.0.11 port 22: No route to host",
            255,
            "is not reached .*switched on",
        ),
        ("", "Host key verification failed.", 255, "type ssh 10.77.0.11 once"),
        (
            "",
            "@ REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
            255,
            "another host key.*-R",
        ),
        ("", "me@10.77.0.11: Permission denied (publickey).", 255, "ssh-copy-id 10.77.0.11"),
        ("", "sh: 1: /opt/python: not found", 127, "make board"),
        ("", "Unknown option: -P", 2, "3.11 or newer"),
        ("hello\n", "", 0, "nothing of ours"),
        ('detabed-answer {"refused": "it answers as n1"}\n', "", 0, "answers as n1; correct its address"),
        ('detabed-answer {"refused": "no bus"}\n', "", 0, "no bus; mend that on the board"),
    ],
)
def test_a_failure_is_one_sentence_with_board_and_remedy(
    fake: Path, out: str, err: str, code: int, why: str
) -> None:
    says(fake, out, err, code)
    with pytest.raises(BoardError, match=f"board n0 at 10.77.0.11.*{why}") as caught:
        Ssh(board()).ask("state")
    assert "\n" not in str(caught.value)


def test_one_board_that_fails_keeps_the_others_answers(fake: Path) -> None:
    says(fake, out='detabed-answer {"daemon": 1}\n')
    boards = [Ssh(board()), Ssh(board(name="n1", address="10.77.0.12"))]
    assert ask_all(boards, "state").require("Nothing was done") == {"n0": {"daemon": 1}, "n1": {"daemon": 1}}
    says(fake, err="Permission denied", code=255)
    failed = ask_all(boards, "state")
    assert set(failed.failed) == {"n0", "n1"}
    with pytest.raises(UsageError, match=r"board n0 .*board n1 .*\. Nothing was done"):
        failed.require("Nothing was done")


def test_boards_are_chosen_by_name(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inventory = Inventory(boards=(board(), board(name="n1", address="10.77.0.12")))
    assert [ssh.board.name for ssh in chosen(inventory, [])] == ["n0", "n1"]
    assert [ssh.board.name for ssh in chosen(inventory, ["n1", "n1"])] == ["n1"]
    with pytest.raises(UsageError, match="no board is called 'n2'"):
        chosen(inventory, ["n2"])
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UsageError, match="install OpenSSH's client"):
        chosen(inventory, [])


def test_versions_that_differ_or_are_missing_are_named() -> None:
    ours = {"python": "3.12", "flwr": "1.42.0", "torch": "2.13.0"}
    assert version_fault(ours, ours) == ""
    assert (
        version_fault({"python": "3.11", "torch": "2.13.0"}, ours)
        == "lacks flwr and has python 3.11 (here 3.12)"
    )
