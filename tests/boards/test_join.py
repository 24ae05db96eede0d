"""From an inventory to a node that attends over mutual TLS: commands and daemons on hosts of their own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from coordinator.ledger.store import read_entries
from edge_node.board_file import read_board_file
from edge_node.config import TaskConfig
from protos.access.config import Access
from tests.boards.hosts import ROOT, Host, environment, hosts
from tests.edge_node.adapters.running import coordinator_config
from tests.edge_node.bare_board import write_bare_board
from tests.experiments.commands.test_commands import documented

pytestmark = pytest.mark.processes
PATIENCE_S = 300.0
STATUS = """
import sys
from pathlib import Path
from coordinator.adapters.control_client import ControlClient
from protos.access.config import Access
with ControlClient(sys.argv[1], access=Access(certificates=Path(sys.argv[2])), patience_s=240.0) as control:
    print(control.wait_for_nodes(1, 240.0).live_nodes)
"""
ATTEND = """
import json
from pathlib import Path
from edge_node.adapters.sqlite_outbox import SqliteOutbox
from edge_node.config import NodeConfig
from edge_node.hosting import BoardNode
node = BoardNode(NodeConfig.model_validate_json(Path("node.json").read_text()), SqliteOutbox(Path("outbox.sqlite")))
try:
    node.link.wait_registered(240.0)
    print(json.dumps({"peer_address": node.peer_address}), flush=True)
    node.link.lease.wait_for(lambda: node.link.lease.ended, 1e6)
    node.link.lease.check()
finally:
    node.close()
"""


@pytest.fixture
def three() -> Iterator[tuple[Host, ...]]:
    with hosts(3) as made:
        yield made


def detabed(host: Host, *arguments: str, cwd: Path, board: bool = False) -> subprocess.CompletedProcess[str]:
    return host.run(*host.python("-P", "-m", "experiments.cli", *arguments), cwd=cwd, env=there(cwd, board))


def there(folder: Path, board: bool) -> dict[str, str]:
    """Environment of a process, with a home of its own; on a board it can import no more than a board has."""
    given = environment() | {
        f"XDG_{name}_HOME": str(folder / name.lower()) for name in ("CONFIG", "DATA", "STATE")
    }
    return given | {"PYTHONPATH": f"{folder}:{ROOT}"} if board else given


def first_line(process: subprocess.Popen[str]) -> Any:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.communicate(timeout=PATIENCE_S)
    return json.loads(line)


def until_closed(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=PATIENCE_S)
    return out + err


def invite(host: Host, node: str, folder: Path) -> tuple[subprocess.Popen[str], list[str]]:
    """A running ``cluster invite``, and what is typed on the board."""
    process = host.start(
        *host.python("-P", "-m", "experiments.cli", "cluster", "invite", node),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    command = process.stdout.readline().split()
    assert command[:3] == ["detabed", "node", "join"], process.communicate(timeout=PATIENCE_S)
    return process, command[1:]


@pytest.fixture
def joined(three: tuple[Host, ...], tmp_path: Path) -> tuple[tuple[Host, ...], Path, Path]:
    """Hosts, folder of the laptop with the cluster of n0 and n1, and folder of n0's board, which has joined."""
    laptop, zero, one = three
    desk, board = tmp_path / "desk", tmp_path / "board"
    for folder in (desk, board):
        folder.mkdir()
    write_bare_board(board)
    boards = (("n0", zero, 'meter = "cpu-time"'), ("n1", one, ""))
    tables = (f'[[boards]]\nname = "{n}"\naddress = "{h.address}"\n{more}\n' for n, h, more in boards)
    (desk / "boards.toml").write_text("port = 7801\n" + "".join(tables))
    made = detabed(laptop, "cluster", "init", "boards.toml", cwd=desk)
    assert made.returncode == 0, made.stderr
    waiting, command = invite(laptop, "n0", desk)
    assert command[2].startswith(f"{laptop.address}:"), "derived from the way to the board"
    done = detabed(zero, *command, "--folder", "identity", "--unit", "user", cwd=board, board=True)
    assert done.returncode == 0, done.stderr
    assert "this board is n0 until" in done.stdout
    unit = board / "config" / "systemd" / "user" / "detabed-node.service"
    assert "systemctl --user enable --now detabed-node.service" in done.stdout, "and nothing is started"
    assert f'-P -m edge_node "{board / "board.json"}"' in unit.read_text()
    written = read_board_file(board / "board.json")
    assert (written.coordinator, written.meter) == (f"{laptop.address}:7801", "cpu-time")
    assert written.certificates == board / "identity"
    assert "n0 joined" in until_closed(waiting)
    assert waiting.returncode == 0
    return three, desk, board


def test_a_board_joins_attends_and_is_revoked(
    joined: tuple[tuple[Host, ...], Path, Path], make_config: Callable[..., Any]
) -> None:
    (laptop, zero, one), desk, board = joined
    access = Access(certificates=desk / "boards.access" / "coordinator")
    config = coordinator_config(desk, access=access, host=laptop.address, node_ids=("n0",))
    (desk / "coordinator.json").write_text(config.model_dump_json())
    coordinator = laptop.start(
        *laptop.python("-m", "coordinator", "coordinator.json"), cwd=desk, stdout=subprocess.PIPE
    )
    address = first_line(coordinator)["address"]
    assert address.startswith(f"{laptop.address}:")
    task = TaskConfig(
        name="mnist-mlp",
        batch_size=10,
        batches_per_slot=2,
        learning_rate=0.1,
        partitions=3,
        partition_index=0,
    )
    node = make_config(
        0,
        coordinator_address=address,
        peer_host=zero.address,
        task=task,
        stages=config.stages,
        access=Access(certificates=board / "identity"),
    )
    (board / "node.json").write_text(node.model_dump_json())

    def daemon(host: Host) -> subprocess.Popen[str]:
        return host.start(
            *host.python("-P", "-c", ATTEND),
            cwd=board,
            env=there(board, board=True),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    attending = daemon(zero)
    ready = first_line(attending)
    assert ready["peer_address"].startswith(f"{zero.address}:")
    assert "n0" in status(laptop, address, desk / "boards.access" / "runner").stdout
    denied = status(one, address, board / "identity")
    assert "only runner may call this" in denied.stderr, "control with a node's certificate"

    rows = len(list(read_entries(config.ledger_path)))
    done = detabed(laptop, "cluster", "revoke", "n0", cwd=desk)
    assert done.returncode == 0, done.stderr
    assert "revoked; invite the node again" in until_closed(attending), "at its next heartbeat"
    assert attending.returncode == 1
    again = daemon(zero)
    assert "revoked; invite the node again" in until_closed(again)
    assert again.returncode == 1
    assert len(list(read_entries(config.ledger_path))) == rows


def status(host: Host, address: str, identity: Path) -> subprocess.CompletedProcess[str]:
    return host.run(*host.python("-c", STATUS, address, str(identity)), cwd=ROOT)


def test_bad_input_is_a_sentence_and_starts_nothing(
    joined: tuple[tuple[Host, ...], Path, Path], tmp_path: Path
) -> None:
    (laptop, zero, one), desk, board = joined
    waiting, command = invite(laptop, "n1", desk)
    address, token = command[2], command[4]
    other = tmp_path / "other"
    other.mkdir()

    def refused(said: str, host: Host, *arguments: str, cwd: Path = desk) -> None:
        done = detabed(host, *arguments, cwd=cwd)
        assert done.returncode == 2, done
        assert said in " ".join(done.stderr.split()), done.stderr
        assert "Traceback" not in done.stderr

    refused("board n0 is given twice", laptop, "cluster", "init", "b.toml", "n0=10.77.0.11", "n0=10.77.0.12")
    refused(
        "address '10.77.0.11' is there 2 times",
        laptop,
        "cluster",
        "init",
        "b.toml",
        "n0=10.77.0.11",
        "n1=10.77.0.11",
    )
    refused("no board was given", laptop, "cluster", "init", "b.toml")
    refused("exists already", laptop, "cluster", "init", "boards.toml")
    refused("no board is called 'n9'; boards are n0, n1", laptop, "cluster", "invite", "n9")
    refused("no authority yet", laptop, "cluster", "invite", "n0", "--inventory", str(_inventory(other)))
    refused("this board is n0 already", zero, *command, "--folder", "identity", cwd=board)
    refused("was it cut off", one, "node", "join", address, "--token", token[:-4], cwd=other)
    refused("no such token of n1", one, "node", "join", address, "--token", f"{token[:-4]}0000", cwd=other)
    refused(
        "another authority",
        one,
        "node",
        "join",
        address,
        "--token",
        f"n1.{'0' * 64}.{token[-64:]}",
        cwd=other,
    )
    assert {path.name for path in desk.iterdir()} == {"boards.toml", "boards.access"}
    refused("--enable needs systemd", one, *command, "--unit", "none", "--enable", cwd=other)
    done = detabed(one, *command, "--folder", "identity", "--unit", "none", "--json", cwd=other)
    assert json.loads(done.stdout)["node"] == "n1", done.stderr
    assert set(json.loads(done.stdout)) == documented("node join")
    until_closed(waiting)
    assert waiting.returncode == 0


def _inventory(folder: Path) -> Path:
    path = folder / "boards.toml"
    path.write_text('[[boards]]\nname = "n0"\naddress = "10.77.0.11"\n')
    return path
