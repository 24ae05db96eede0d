"""A board's own file: written whole, and what people put there is kept when the board joins again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edge_node.board_file import read_board_file
from experiments.cluster.board_setup import board_values, write_board_file
from experiments.errors import UsageError


def values(
    tmp_path: Path, node_id: str = "n0", host: str = "10.0.0.10", port: int | None = None, **said: Any
) -> Any:
    folders = {name: tmp_path / name for name in ("certificates", "folder", "own_code")}
    return board_values(tmp_path / "board.json", node_id, host, port, folders, **said)


def test_what_is_written_is_read_by_the_daemon(tmp_path: Path) -> None:
    (tmp_path / "certificates").mkdir()
    write_board_file(tmp_path / "board.json", values(tmp_path, meter="rapl", threads=4))
    found = read_board_file(tmp_path / "board.json")
    assert (found.node_id, found.coordinator, found.meter, found.threads) == (
        "n0",
        "10.0.0.10:7740",
        "rapl",
        4,
    )
    assert found.own_code == tmp_path / "own_code"
    assert found.folder.is_dir()
    assert (tmp_path / "board.json").read_text().count("\n") > 5, "people read it"


def test_joining_again_keeps_what_was_there(tmp_path: Path) -> None:
    write_board_file(tmp_path / "board.json", values(tmp_path, port=7801, meter="rapl"))
    kept = json.loads((tmp_path / "board.json").read_text()) | {"folder": "/elsewhere", "peer_port": 7002}
    (tmp_path / "board.json").write_text(json.dumps(kept))
    again = values(tmp_path, host="fd00::1")
    assert again == {**kept, "coordinator": "[fd00::1]:7801"}
    assert values(tmp_path, port=7802, meter="pmic") == {
        **kept,
        "coordinator": "10.0.0.10:7802",
        "meter": "pmic",
    }


@pytest.mark.parametrize(
    ("content", "said", "why"),
    [
        ('{"node_id": "n1"}', {}, "this board is n1 already .* the token is for n0"),
        ("{", {}, "cannot be read"),
        ("[]", {}, "no JSON object"),
        ('{"node_id": "n0", "peer_port": 70000}', {}, "peer_port"),
        ('{"node_id": "n0", "colour": 1}', {}, "colour"),
        ("", {"threads": 0}, "threads"),
    ],
)
def test_what_the_daemon_would_refuse_is_refused_before(
    tmp_path: Path, content: str, said: dict[str, Any], why: str
) -> None:
    if content:
        (tmp_path / "board.json").write_text(content)
    with pytest.raises(UsageError, match=why):
        values(tmp_path, **said)
    assert not content or (tmp_path / "board.json").read_text() == content
