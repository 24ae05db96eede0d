"""Inventories: what is accepted, and the sentence for what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.cluster.inventory import inventory_text, parse_inventory, read_inventory
from experiments.errors import UsageError

TWO = inventory_text({"n0": "10.77.0.10", "n1": "board-1.local"}, "boards.toml")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    (tmp_path / "boards.toml").write_text(TWO)
    found = read_inventory(tmp_path / "boards.toml")
    assert [(board.name, board.address) for board in found.boards] == [
        ("n0", "10.77.0.10"),
        ("n1", "board-1.local"),
    ]
    assert found.board("n1") is found.boards[1]
    with pytest.raises(UsageError, match="no board is called 'n2'; boards are n0, n1"):
        found.board("n2")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TWO + '[[boards]]\nname = "n0"\naddress = "10.77.0.12"\n', r"name 'n0' is there 2 times, as board 1 and 3"),
        (TWO + '[[boards]]\nname = "n2"\naddress = "10.77.0.10"\n', r"address '10.77.0.10' is there 2 times"),
        (TWO.replace("n1", "runner"), r"boards\.toml:8: boards\.1\.name: 'runner' is the name of a part of every run"),
        (TWO.replace("n1", "coordinator"), "give the board another"),
        (TWO.replace("n1", "N1"), r"boards\.1\.name"),
        (TWO.replace("n1", "*.n"), r"boards\.1\.name"),
        (TWO.replace("board-1.local", "10.77.0.1 "), r"boards\.1\.address"),
        (TWO.replace("address", "adress"), "unknown key; allowed here: address, .*name"),
        ("boards = []\n", r"boards\.toml:1: boards"),
        ("", "is missing"),
        ("[[boards]\n", "not valid TOML"),
    ],
)  # fmt: skip
def test_a_wrong_one_is_refused_with_place_and_remedy(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_inventory(text, "boards.toml")


def test_one_that_is_not_there_says_how_it_is_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"detabed cluster init .*boards\.toml NAME=ADDRESS"):
        read_inventory(tmp_path / "boards.toml")
