"""Every command line and module that the documentation shows exists, with these options."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from experiments.cli import command_line

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
STARTS = ("detabed", "make", "python", ".venv/bin/", "sudo ")
"""Lines of a program of ours; others (scripts, here-documents) are not read."""
OURS = ("coordinator", "edge_node", "experiments", "carbon_data", "protos", "benchmarks")
SHELL = re.compile(r"```(?:sh|bash|console)\n(.*?)```", re.DOTALL)


def shown(page: Path) -> Iterator[list[str]]:
    """Command lines of ``page``, comments and line ends taken away."""
    for block in SHELL.findall(page.read_text(encoding="utf-8")):
        for line in block.replace("\\\n", " ").splitlines():
            text = re.sub(r"\s#.*$", "", line).strip().removeprefix("$ ")
            if text.startswith(STARTS):
                yield shlex.split(text.partition(" && ")[0])


def words_after(words: list[str], program: str) -> list[str] | None:
    """Arguments of ``detabed`` in a line, also in .venv/bin and behind sudo or variables."""
    for at, word in enumerate(words):
        if Path(word).name == program:
            return words[at + 1 :]
        if "=" not in word and word not in ("sudo", "env", "time"):
            return None
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_exists_with_its_options(page: Path) -> None:
    root = command_line()
    for words in shown(page):
        rest = words_after(words, "detabed")
        if not rest or rest[0].startswith("-"):
            continue
        if "|" in rest:
            rest = rest[: rest.index("|")]
        given = [word for word in rest if word not in ("[", "]")]
        try:
            context: click.Context = click.Context(root)
            command: click.Command = root
            while isinstance(command, click.Group) and given:
                name, command, given = command.resolve_command(context, given)  # type: ignore[assignment]
                assert command is not None
                if not isinstance(command, click.Group):
                    command.make_context(name, list(given), context)
        except click.ClickException as error:
            pytest.fail(f"{page.name}: {shlex.join(words)}: {error.format_message()}")
        except click.exceptions.Exit:
            continue  # --help, --version


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_module_that_is_run_exists(page: Path) -> None:
    for words in shown(page):
        if "-m" not in words or "python" not in Path(words[0]).name:
            continue
        module = words[words.index("-m") + 1]
        if module.partition(".")[0] in (
            "coordinator",
            "edge_node",
            "experiments",
            "carbon_data",
            "protos",
            "benchmarks",
        ):
            assert importlib.util.find_spec(module) is not None, (page.name, words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_exists(page: Path) -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for words in shown(page):
        if words[0] == "make":
            asked = {word for word in words[1:] if "=" not in word and not word.startswith("-")}
            assert asked <= targets, (page.name, words)
