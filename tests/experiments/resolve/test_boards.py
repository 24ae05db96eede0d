"""Hardware of nodes and coordinator: boards and batteries."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_node.energy.boards import load_board
from edge_node.meters.registry import build_meter
from edge_node.slots.profile import sleep_of
from experiments.errors import UsageError
from experiments.resolve.resolve import resolve
from experiments.scenario.model import parse_scenario
from protos.messages.terms import Sleep
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


def test_a_board_whose_power_nobody_knows_needs_the_scenarios_own_figures() -> None:
    own = TINY + '[board]\nprofile = "jetson-nano"\n'
    with pytest.raises(
        UsageError, match=r"scenario:8: board: board jetson-nano: no source is known for static_w \("
    ) as refused:
        resolve(parse_scenario(own))
    assert "Give static_w, effective_flop_per_s beside the profile" in str(refused.value)
    given = resolve(parse_scenario(own + "static_w = 2.0\neffective_flop_per_s = 4e9\n"))
    board = given.boards[0]
    assert (board.static_w, board.busy_w, board.knows_sleep) == (2.0, 4.53, False)
    with pytest.raises(UsageError, match=r"busy_w 4\.53 W is below static_w 9 W"):
        resolve(parse_scenario(own + "static_w = 9\neffective_flop_per_s = 4e9\n"))


def test_a_board_of_unknown_sleep_does_not_sleep_by_the_model() -> None:
    asked = TINY + '[board]\nprofile = "raspberry-pi-5"\n[limits]\nmay_sleep = true\ndeadline_slots = 1\n'
    resolved = resolve(parse_scenario(asked))
    assert any("cannot sleep" in text for text in resolved.warnings)
    config = resolved.node_configs("r", "localhost:1", with_harvest=True)[0]
    assert sleep_of(config, build_meter(config.meter, config.board, 1.0)) is Sleep.NONE
    known = resolve(
        parse_scenario(asked.replace("[limits]", "sleep_w = 1\nwake_j = 5\nwake_s = 20\n[limits]"))
    )
    assert known.boards[0].knows_sleep
    modelled = asked.replace("count = 12\n", 'count = 12\n[nodes.sleep]\nkind = "modelled"\n')
    with pytest.raises(UsageError, match="does not know what it draws asleep: give sleep_w, wake_j, wake_s"):
        resolve(parse_scenario(modelled))
