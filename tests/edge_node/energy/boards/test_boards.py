"""Boards: sources of figures, and plausible powers."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from edge_node.energy.boards import board_names, load_board
from edge_node.energy.sourced import SourceError
from edge_node.energy.transport import load_transport, transports


def test_every_packaged_figure_has_a_source() -> None:
    for name in board_names():
        assert all(figure.source for figure in load_board(name).figures.values())
    assert all(figure.source for figure in transports().values())
    assert load_transport("wifi-low").value == pytest.approx(0.125e-6 * 8)


def test_the_raspberry_pi_is_the_vendors() -> None:
    board = load_board("raspberry-pi-4b").config()
    assert (board.static_w, board.busy_w, board.sleep_w) == pytest.approx((0.6 * 5, 1.2 * 5, 0.023 * 5))
    assert board.wake_j == pytest.approx((0.7 * 5 - board.static_w) * board.wake_s)


def test_the_speed_is_what_table_one_implies() -> None:
    board = load_board("raspberry-pi-4b").config()
    forward = 2 * (784 * 200 + 200 * 10)
    training = 3 * forward - 2 * 784 * 200  # no gradient of the input
    seconds = 0.0034 * 3.6e6 / board.busy_w
    implied = 50 * 60_000 * training / seconds
    assert board.effective_flop_per_s == pytest.approx(implied, rel=0.1)


def test_own_boards_are_read_from_a_file_and_checked(tmp_path: Path) -> None:
    board = tmp_path / "mine.toml"
    board.write_text('[static_w]\nvalue = 3.0\nunit = "W"\nsource = "me"\n')
    with pytest.raises(SourceError, match="lacks"):
        load_board(str(board))
    with pytest.raises(SourceError, match="unknown board 'pi-9'"):
        load_board("pi-9")
    with pytest.raises(SourceError, match="unknown transport"):
        load_transport("pigeon")


def test_an_own_board_without_texts_is_named_by_its_file(tmp_path: Path) -> None:
    text = (resources.files("edge_node.energy.boards") / "raspberry_pi_4b.toml").read_text(encoding="utf-8")
    plain = "\n".join(line for line in text.splitlines() if not line.startswith(("name =", "description =")))
    board = tmp_path / "mine.toml"
    board.write_text(plain, encoding="utf-8")
    found, known = load_board(str(board)), load_board("raspberry-pi-4b")
    assert (found.name, found.description) == (str(board), "")
    assert found.figures == known.figures
    assert known.description
    board.write_text(plain.replace('unit = "W"', 'unit = "mW"', 1), encoding="utf-8")
    with pytest.raises(SourceError, match=f"^board {board}: .* is in mW; allowed is W$"):
        load_board(str(board))


def test_boards_are_read_as_utf8_on_a_machine_of_another_encoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Path.read_text
    own = tmp_path / "own.toml"
    own.write_bytes((resources.files("edge_node.energy.boards") / "raspberry_pi_4b.toml").read_bytes())
    plain = [load_board("raspberry-pi-4b"), load_board(str(own))]
    monkeypatch.setattr(Path, "read_text", lambda path, encoding=None: read(path, encoding or "utf-16"))
    assert [load_board("raspberry-pi-4b"), load_board(str(own))] == plain
