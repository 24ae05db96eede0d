"""The page of the twin: its scenario runs, smaller and in this process, and every command line in it has options that
there are."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import click
import pytest

from edge_node.energy.boards import load_board
from edge_node.energy.power_model import PowerModel
from experiments.cli import command_line
from experiments.commands.lazy import LazyCommand
from experiments.scenario.model import parse_scenario
from experiments.twin.errors import ALL
from experiments.twin.operations import Operations
from experiments.twin.twin import twin_of
from protos.messages.terms import Stage
from tests.experiments.twin.measured_runs import METERS, run

ROOT = Path(__file__).parents[2]
SMALLER = {
    'kind = "daemons"\ncluster = "boards.toml"': 'kind = "inprocess"\nmeter = "known_meters:TenthTooLow"',
    '[coordinator]\nhost = "10.0.0.10"\nport = 7741\nlease_s = 20\n': "",
    "development = 36": "development = 1",
    "application = 12": "application = 1",
    "recycling = 3": "recycling = 1",
    'clock = "wall"\n': "",
    "local_epochs = 10": "local_epochs = 1",
}


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def command_lines(text: str) -> list[str]:
    """Of shell blocks and of code in a line, without comments."""
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    found = [line for line in blocks.splitlines() if line.startswith("detabed ")]
    return found + [code for code in re.findall(r"`(detabed [^`\n]*)`", text) if "..." not in code]


@pytest.mark.parametrize("name", ["twin.md", "meters.md"])
def test_every_command_line_has_options_that_there_are(name: str) -> None:
    lines = command_lines(page(name))
    assert len(lines) >= 3
    for line in lines:
        words = shlex.split(line, comments=True)[1:]
        command: click.Command = command_line()
        while isinstance(command, click.Group):
            command = command.commands[words.pop(0)]
        assert isinstance(command, LazyCommand), line
        if words:  # else it is only named
            command.make_context(line, words)


def test_the_scenario_of_the_hour_runs_and_has_a_twin(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", page("twin.md"), re.DOTALL)
    for there, instead in SMALLER.items():
        assert text.count(there) == 1, there
        text = text.replace(there, instead)
    (tmp_path / "known_meters.py").write_text(METERS)
    shutil.copy(ROOT / "edge_node" / "energy" / "boards" / "raspberry_pi_4b.toml", tmp_path / "my-board.toml")
    found = twin_of(run(tmp_path, text, "hour"))
    assert found.whole.error_fraction == pytest.approx(0.1, abs=1e-4)
    assert {row.activity for row in found.rows} == {
        "preparation",
        "development",
        "application",
        "recycling",
        ALL,
    }


def test_a_slot_of_the_hour_is_as_long_as_the_page_says() -> None:
    """About 30 s of work by the published profile."""
    (text,) = re.findall(r"```toml\n(.*?)```", page("twin.md"), re.DOTALL)
    board = load_board("raspberry-pi-4b").config()
    scenario = parse_scenario(text.replace('profile = "my-board.toml"', ""), "hour.toml")
    flop = Operations(scenario, board).of_batch(Stage.DEVELOPMENT)
    assert scenario.task.batches_per_slot == 150
    assert PowerModel(board).busy_s(150 * flop) == pytest.approx(30, rel=0.1)
