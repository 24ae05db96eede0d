"""Hardware of nodes and coordinator: boards and batteries."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_node.energy.boards import load_board
from experiments.errors import UsageError
from experiments.resolve.resolve import resolve
from experiments.scenario.model import parse_scenario
from tests.scenarios import TINY


def test_a_board_s_own_file_lies_beside_the_scenario(tmp_path: Path) -> None:
    text = (Path(load_board.__globals__["__file__"]).parent / "raspberry_pi_4b.toml").read_text()
    (tmp_path / "mine.toml").write_text(text)
    own = TINY + '[board]\nprofile = "mine.toml"\n'
    resolved = resolve(parse_scenario(own, folder=tmp_path))
    assert resolved.boards[0].busy_w == load_board("raspberry-pi-4b").config().busy_w
    # What the run folder says finds it from anywhere.
    assert Path(resolved.scenario.board.profile) == tmp_path / "mine.toml"
    with pytest.raises(UsageError, match=r"scenario:8: board: there is no file .*elsewhere"):
        resolve(parse_scenario(own, folder=tmp_path / "elsewhere"))
    (tmp_path / "mine.toml").write_text("[static_w]\nvalue = 3\n")
    with pytest.raises(UsageError, match=r"scenario:8: board: .*mine\.toml: static_w has no unit"):
        resolve(parse_scenario(own, folder=tmp_path))
