"""``detabed cluster push`` over a real sshd to a board with a Python environment of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from carbon_data.ours import NAMES
from experiments.cluster.agent.installed import code_digest
from experiments.cluster.inventory import read_inventory
from experiments.cluster.wheel import build_wheel
from tests.boards.desk import Desk, desk_and_boards

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """With one board, n0, where nothing of ours is installed."""
    pytest.importorskip("setuptools")  # without it pip fetches it from the index
    with desk_and_boards(tmp_path_factory.mktemp("push"), 1) as found:
        place = found.boards.home("n0") / "venv"
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True, timeout=600)
        found.boards.python = str(place / "bin" / "python")
        found.boards.inventory(found.inventory)
        (board,) = read_inventory(found.inventory).boards
        assert board.python == found.boards.python != sys.executable, (
            "what is installed stays in the board's own"
        )
        found.boards.serve("n0", PYTHONPATH="/nowhere")
        yield found


def test_the_package_and_files_reach_a_board_once(desk: Desk, tmp_path: Path) -> None:
    task = tmp_path / "mytask.py"
    task.write_text("A = 1\n")
    own = desk.boards.home("n0") / "own" / "mytask.py"
    for arguments, said in (
        (("--file", "absent.py"), "absent.py cannot be read"),
        (("--data", "no-such"), "no data set is called 'no-such'"),
        (("--wheel", str(task)), "cannot be read as a wheel"),
    ):
        assert said in desk.refused("push", *arguments)
    desk.join("n0", "n5")
    assert "it answers as n5; correct its address" in (said := desk.refused("push", "--file", str(task)))
    assert "Nothing was sent" in said
    assert not own.exists()
    desk.join("n0", "n0")

    wheel = build_wheel(tmp_path)
    sent = desk.asked("push", "--file", str(task), "--wheel", str(wheel))["n0"]
    assert [each["name"] for each in sent["sent"]] == ["mytask.py", wheel.name]
    assert sent["code"] == code_digest(NAMES)
    assert own.read_text() == "A = 1\n"
    assert desk.asked("push", "--file", str(task))["n0"]["sent"] == [], "all is there"

    own.write_text("A = 2\n")
    wrong = {each["what"]: each["found"] for each in desk.asked("check", exit_code=1)["n0"]["findings"]}
    assert "lacks flwr" in wrong["versions"], "the package came without dependencies"
    assert wrong["files"] == "missing or changed there: own/mytask.py"
    task.write_text("A = 3\n")
    assert [each["name"] for each in desk.asked("push", "--file", str(task))["n0"]["sent"]] == ["mytask.py"]
    assert own.read_text() == "A = 3\n"
    found = desk.asked("check", exit_code=1)["n0"]["findings"]
    assert {each["what"] for each in found} == {"versions"}
    assert not (desk.boards.home("n0") / "state" / "pushed").exists(), "nothing is left of the way"
