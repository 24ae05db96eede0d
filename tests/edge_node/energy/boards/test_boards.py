"""Boards: sources of figures, and plausible powers."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from edge_node.energy.boards import board_names, load_board
from edge_node.energy.sourced import Figure, SourceError
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


def test_ten_devices_of_which_eight_have_sourced_powers_and_four_sourced_emissions() -> None:
    boards = [load_board(name) for name in board_names()]
    powered = [board for board in boards if {"static_w", "busy_w"} <= board.figures.keys()]
    made = [board for board in boards if isinstance(board.embodied, Figure)]
    assert len(boards) >= 10
    assert len(powered) >= 8
    assert len(made) >= 4
    for board in boards:
        assert board.description, board.name
        for name in ("static_w", "busy_w"):
            # Measured or published, with its address, and never a choice.
            found = board.known_and_unknown[name]
            said = found.source if isinstance(found, Figure) else found.why
            assert not said.startswith("choice"), (board.name, name)
            assert "unknown" not in said
            if isinstance(found, Figure) and board.name != "raspberry-pi-4b":
                assert "https://" in said, (board.name, name)


def test_an_unknown_figure_is_named_and_never_a_number() -> None:
    board = load_board("jetson-nano")
    assert "static_w" not in board.figures
    assert board.in_short == "idle unknown, load 4.53 W, embodied unknown"
    assert board.sources()["static_w"].startswith("unknown: no measurement of the idle developer kit")
    with pytest.raises(
        SourceError, match=r"no source is known for static_w \(.*Give static_w, effective_flop_per_s"
    ):
        board.config()
    given = board.config({"static_w": 2.0, "effective_flop_per_s": 4e9})
    assert (given.static_w, given.busy_w, given.knows_sleep) == (2.0, 4.53, False)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('unit = "W"\n', "", "static_w has no unit; write it as text"),
        ("value = 3.0", "value = -3.0", "finite number >= 0"),
        ("value = 3.0", 'value = "unkown"', r"'unkown'; allowed is a finite number >= 0, or \"unknown\""),
        ("value = 3.0", "value = 7.0", r"busy_w 6 W is below static_w 7 W"),
        ("value = 0.115", "value = 4.0", r"sleep_w 4 W is above static_w 3 W"),
        ("value = 1.0e9", "value = 0", r"effective_flop_per_s is 0; allowed is more"),
        ("[busy_w]", "[load_w]", r"lacks \['busy_w'\] and has unknown \['load_w'\]"),
        ("description =", "maker =", r"has unknown \['maker'\]"),
        (
            "[static_w]\nvalue = 3.0",
            '[static_w]\nlow = 1\nvalue = "unknown"',
            "an unknown figure has no range",
        ),
    ],
)
def test_the_obvious_mistakes_are_sentences(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (resources.files("edge_node.energy.boards") / "raspberry_pi_4b.toml").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(SourceError, match=message):
        load_board(str(path))
    (tmp_path / "folder.toml").mkdir(exist_ok=True)
    with pytest.raises(SourceError, match="is a folder or a device"):
        load_board(str(tmp_path / "folder.toml"))
