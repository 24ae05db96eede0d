"""A board's own file: strict, and completed with what a run says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_node.board_file import BoardFile, dialling_address, read_board_file
from edge_node.config import SleepConfig
from protos.messages.terms import Sleep


def own(tmp_path: Path, **changes: Any) -> dict[str, Any]:
    (tmp_path / "identity").mkdir(exist_ok=True)
    values = {
        "node_id": "n0",
        "coordinator": "10.0.0.10:7740",
        "certificates": str(tmp_path / "identity"),
        "folder": str(tmp_path / "state"),
    }
    return {**values, **changes}


def read(tmp_path: Path, **changes: Any) -> BoardFile:
    path = tmp_path / "board.json"
    path.write_text(json.dumps(own(tmp_path, **changes)))
    return read_board_file(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"coordinator": "10.0.0.10"}, "coordinator"),
        ({"node_id": ""}, "node_id"),
        ({"peer_port": 70_000}, "peer_port"),
        ({"slot_s": 1.0}, "slot_s"),
        ({"certificates": "/nowhere"}, "detabed node join writes it"),
    ],
)
def test_a_fault_is_named_with_its_place(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=f"board.json is no board's file:(.|\n)*{said}"):
        read(tmp_path, **change)


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"absent\.json cannot be read"):
        read_board_file(tmp_path / "absent.json")


def test_a_run_brings_everything_but_what_the_board_knows(
    tmp_path: Path, make_config: Callable[..., Any]
) -> None:
    config = make_config(0, coordinator_address="10.0.0.10:5000", meter="modelled", peer_host="10.0.0.10")
    board = read(tmp_path, meter="cpu-time", address="10.0.0.11", peer_port=7001, infer_port=7002)
    got = board.completed(config)
    assert (got.meter, got.peer_host, got.peer_port, got.infer_port) == ("cpu-time", "10.0.0.11", 7001, 7002)
    assert got.access.certificates == tmp_path / "identity"
    kept = config.model_dump(exclude={"meter", "peer_host", "peer_port", "infer_port", "access"})
    assert got.model_dump(exclude={"meter", "peer_host", "peer_port", "infer_port", "access"}) == kept
    plain = read(tmp_path, coordinator="127.0.0.1:7740").completed(config)
    assert (plain.meter, plain.peer_host) == ("modelled", "127.0.0.1")
    with pytest.raises(ValueError, match="this board is n0, and the configuration is of n1"):
        board.completed(make_config(1))


def test_the_address_is_that_from_which_packets_leave() -> None:
    assert dialling_address("127.0.0.1:9") == "127.0.0.1"
    assert dialling_address("[::1]:9") == "::1"


def test_what_is_run_on_a_board_stands_in_its_own_file(
    tmp_path: Path, make_config: Callable[..., Any]
) -> None:
    """A run may say that it does not sleep, or sleeps by the model; programs do not come over the network."""
    sleep = {"kind": "command", "down": ["/bin/doze", "-m"], "up": ["/bin/wake"]}
    config = make_config(0, coordinator_address="10.0.0.10:5000", sleep=SleepConfig(kind=Sleep.NONE))
    told = read(tmp_path, address="10.0.0.11", sleep=sleep).completed(config).sleep
    assert told == SleepConfig(kind=Sleep.COMMAND, down=("/bin/doze", "-m"), up=("/bin/wake",))
    assert read(tmp_path, address="10.0.0.11").completed(config).sleep == SleepConfig(kind=Sleep.NONE)
    by_run = config.model_copy(update={"sleep": told})
    with pytest.raises(ValueError, match=r"n0 is told to be put to sleep by command.*stands in its own file"):
        read(tmp_path, address="10.0.0.11").completed(by_run)
    with pytest.raises(ValueError, match=r"sleep: kind = .command. needs down and up"):
        read(tmp_path, sleep={"kind": "command"})
