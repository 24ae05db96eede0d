"""Operating points in a board's profile: numbers with sources, in order, and the board at each."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from edge_node.energy.boards import board_names, load_board
from edge_node.energy.power_model import PowerModel
from edge_node.energy.sourced import SourceError

TEXT = (resources.files("edge_node.energy.boards") / "odroid_hc2.toml").read_text(encoding="utf-8")


def test_packaged_points_have_sources_and_slower_ones_draw_less() -> None:
    found = [board for board in map(load_board, board_names()) if board.points]
    assert [board.name for board in found] == ["odroid-hc2"]
    for board in found:
        assert len(board.point_sources) == len(board.points)
        assert all(source for _, source in board.point_sources)
        watts = [point.busy_w for point in board.points]
        assert watts == sorted(watts, reverse=True)


def test_the_board_at_a_point_has_its_speed_and_watts() -> None:
    board = load_board("odroid-hc2").config()
    assert board.at(0) == board
    slow = board.at(3)
    assert (slow.busy_w, slow.static_w) == (8.495, 3.89)
    assert slow.effective_flop_per_s == pytest.approx(board.effective_flop_per_s * 7498 / 8828, rel=1e-4)
    fractions = [cost.energy_times for cost in PowerModel(board).points()]
    assert fractions[0] == 1.0
    joules = [PowerModel(board.at(k)).compute_j(1e9) for k in range(len(board.points))]
    assert [each / joules[0] for each in joules] == pytest.approx(fractions)
    assert min(range(9), key=fractions.__getitem__) == 7  # 700 MHz, and not the slowest
    assert load_board("raspberry-pi-4b").config().points == ()


def test_other_watts_than_the_profiles_leave_no_points() -> None:
    board = load_board("odroid-hc2")
    assert board.config({"static_w": 4.0}).points == ()
    assert len(board.config({"effective_flop_per_s": 2e9}).points) == 9


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("frequency_khz = 2000000\n", "", "operating point 1 lacks frequency_khz"),
        ("speed_fraction = 1.0", "speed_fraction = 0.99", "the fastest first, with 1"),
        ("speed_fraction = 1.0", "speed_fraction = 1.5", "speed_fraction 1.5; allowed is up to 1"),
        (
            "frequency_khz = 2000000",
            "frequency_khz = 2000000\nvolts = 1",
            "operating point 1 has volts; allowed are",
        ),
        (
            "frequency_khz = 2000000",
            "frequency_khz = -1",
            "frequency_khz -1; allowed is a finite number above 0",
        ),
        ("busy_w = 13.195", "busy_w = 12.0", "busy_w 12 W and the board 13.195 W"),
        ("busy_w = 5.51", "busy_w = 1.0", "at 500000 kHz busy_w 1 W is below the idle power, 3.89 W"),
        (
            "[[points]]\nfrequency_khz = 500000",
            "[[points]]\nidle_w = 9\nfrequency_khz = 500000",
            "below the idle power, 9",
        ),
    ],
)
def test_mistakes_are_sentences(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in TEXT
    path = tmp_path / "mine.toml"
    path.write_text(TEXT.replace(old, new, 1))
    with pytest.raises(SourceError, match=message):
        load_board(str(path)).config()


def test_a_list_that_is_none_and_a_point_without_source_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    head = TEXT[: TEXT.index("[[points]]")]
    path.write_text("points = 3\n" + head)
    with pytest.raises(SourceError, match=r"points is no list; write \[\[points\]\]"):
        load_board(str(path))
    path.write_text(
        head + '[[points]]\nfrequency_khz = 1\nspeed_fraction = 1\nbusy_w = 13.195\nsource = " "\n'
    )
    with pytest.raises(SourceError, match="has no source"):
        load_board(str(path))
