"""Help, the version and plain lists start without the heavy libraries; every command of the table can be loaded."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from experiments.cli import COMMANDS, GROUPS, command_line
from experiments.commands.lazy import LazyCommand

HEAVY = {"torch", "ray", "flwr", "pandas", "matplotlib", "scipy", "pyarrow"}
LOADED = """
import sys
from experiments.cli import invoke
assert invoke({arguments!r}) == 0
print(*sorted({heavy!r} & set(sys.modules)), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["data", "--help"],
        ["list", "--help"],
        ["list", "boards"],
        ["list", "studies"],
    ],
)
def test_it_starts_without_heavy_libraries(arguments: list[str]) -> None:
    code = LOADED.format(arguments=arguments, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (0, "")
    assert done.stdout.strip()


def commands() -> list[tuple[str, click.Command]]:
    root = command_line()
    below = [(name, root.commands[name]) for name in COMMANDS]
    return below + [
        (f"{name} {each}", root.commands[name].commands[each])  # type: ignore[attr-defined]
        for name, (_, members) in GROUPS.items()
        for each in members
    ]


@pytest.mark.parametrize(("name", "command"), commands())
def test_every_command_of_the_table_loads_with_its_help(name: str, command: click.Command) -> None:
    assert isinstance(command, LazyCommand)
    loaded = command.loaded()
    assert loaded.name == command.name
    assert loaded.help == command.help
    assert any("--json" in parameter.opts for parameter in loaded.params), name
