"""Boards, transport, harvest, power model: sources of figures, plausible powers, missing is not zero."""

from __future__ import annotations

from pathlib import Path

import pytest

from carbon_data.types import MissingDataError
from edge_node.config import BoardConfig, HarvestConfig
from edge_node.energy.boards import board_names, load_board
from edge_node.energy.harvest import Harvest
from edge_node.energy.power_model import PowerModel, PowerModelError
from edge_node.energy.sourced import SourceError, read_figures
from edge_node.energy.transport import load_transport, transports
from edge_node.workload import WorkCost
from protos.messages.terms import Stage


def test_every_packaged_figure_has_a_source() -> None:
    for name in board_names():
        assert all(figure.source for figure in load_board(name).figures.values())
    assert all(figure.source for figure in transports().values())
    assert load_transport("wifi-low").value == pytest.approx(0.125e-6 * 8)


def test_every_transport_has_the_ends_of_its_sources_and_the_default_is_their_geometric_middle() -> None:
    for name, figure in transports().items():
        assert figure.range is not None, name
        assert figure.range.low_source, name
        assert figure.range.high_source, name
        assert 0 < figure.range.low < figure.range.high, name
        assert figure.range.low <= figure.value <= figure.range.high, name
    wifi = load_transport()
    assert wifi.range is not None
    assert wifi.value == pytest.approx((wifi.range.low * wifi.range.high) ** 0.5, rel=1e-3)


@pytest.mark.parametrize(
    ("ends", "message"),
    [
        ("low = 1\nhigh = 3", "has no low_source, high_source"),
        ('low = 1\nhigh = 3\nlow_source = "a"\nhigh_source = " "', "has no high_source"),
        ('low = 3\nhigh = 4\nlow_source = "a"\nhigh_source = "b"', "0 < low <= value <= high"),
        ('low = 0\nhigh = 4\nlow_source = "a"\nhigh_source = "b"', "0 < low <= value <= high"),
        ('low = 1\nhigh = inf\nlow_source = "a"\nhigh_source = "b"', "finite"),
    ],
)
def test_a_range_needs_both_ends_with_sources_about_the_value(ends: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read_figures(f'[x]\nvalue = 2\nunit = "J/byte"\nsource = "s"\n{ends}', "table")


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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("static_w = 3.0", "has no source"),
        ('[static_w]\nvalue = 3.0\nunit = "W"', "has no source"),
        ('[static_w]\nvalue = 3.0\nunit = "W"\nsource = " "', "has no source"),
        ('[static_w]\nvalue = nan\nunit = "W"\nsource = "x"', "finite"),
        ('[static_w]\nvalue = -1\nunit = "W"\nsource = "x"', "finite number >= 0"),
        ('[static_w]\nvalue = true\nunit = "W"\nsource = "x"', "finite"),
        ('[static_w]\nvalue = 3\nunit = "W"\nsource = "x"\nguess = 1', "guess"),
        ("[static_w", "no TOML"),
    ],
)
def test_a_number_without_a_source_does_not_load(text: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read_figures(text, "board x")


def test_own_boards_are_read_from_a_file_and_checked(tmp_path: Path) -> None:
    board = tmp_path / "mine.toml"
    board.write_text('[static_w]\nvalue = 3.0\nunit = "W"\nsource = "me"\n')
    with pytest.raises(SourceError, match="lacks"):
        load_board(str(board))
    with pytest.raises(SourceError, match="unknown board 'pi-9'"):
        load_board("pi-9")
    with pytest.raises(SourceError, match="unknown transport"):
        load_transport("pigeon")


def test_harvest_beyond_its_series_is_an_error_and_not_zero() -> None:
    harvest = Harvest(HarvestConfig(power_w=(1.0, 0.0, 2.5), forecast_w=(3.0, 1.0, 1.0, 1.0)), slot_s=2.0)
    assert [harvest.energy_uj(slot) for slot in range(3)] == [2_000_000, 0, 5_000_000]
    assert harvest.forecast_uj(0, 3) == (2_000_000, 2_000_000, 2_000_000)  # the slot itself is known
    assert harvest.forecast_uj(2, 2) == (5_000_000, 2_000_000)
    with pytest.raises(MissingDataError, match="slot 3"):
        harvest.energy_uj(3)
    with pytest.raises(MissingDataError, match="slot 4"):
        harvest.forecast_uj(2, 3)
    with pytest.raises(MissingDataError, match="-1"):
        Harvest(HarvestConfig(power_w=(-1.0,)), slot_s=1.0)


def test_without_a_forecast_the_node_knows_its_harvest() -> None:
    assert Harvest(HarvestConfig(power_w=(1.0, 2.0)), slot_s=1.0).forecast_uj(0, 2) == (1_000_000, 2_000_000)


def test_a_batch_costs_what_the_board_draws_above_static() -> None:
    board = load_board("raspberry-pi-4b").config()
    profile = PowerModel(board).work_profile(Stage.DEVELOPMENT, WorkCost(5e8, 4_000))
    assert profile.seconds_per_batch == pytest.approx(0.5)
    assert profile.joules_per_batch == pytest.approx(0.5 * (6.0 - 3.0))
    assert profile.bytes_per_batch == 4_000


def test_boards_that_contradict_themselves_are_refused() -> None:
    good = load_board("raspberry-pi-4b").config().model_dump()
    with pytest.raises(PowerModelError, match="busy_w"):
        PowerModel(BoardConfig(**{**good, "busy_w": 1.0}))
    with pytest.raises(PowerModelError, match="sleep_w"):
        PowerModel(BoardConfig(**{**good, "sleep_w": 5.0}))
