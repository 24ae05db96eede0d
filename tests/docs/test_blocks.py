"""Every block of README, CONTRIBUTING and docs: code and commands run in the order of their page, TOML is validated.

A new block is found by itself. It needs a language: sh, python, toml, json, or text for what is neither. A block that
begins with ``# file: NAME`` is a file, which the page's commands may use. What does not run here is in elsewhere.py.
"""

from __future__ import annotations

import json
import shutil
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from carbon_data.own_code import VARIABLE
from edge_node.config import SleepConfig
from experiments.cluster.inventory import parse_inventory
from experiments.scenario.model import parse_scenario
from tests.docs.blocks import PAGES, ROOT, Block, blocks_of, commands_of, fences_of
from tests.docs.elsewhere import ELSEWHERE, LONG, beginning
from tests.docs.reader import Reader, give_runs

LANGUAGES = {"sh", "python", "toml", "json", "text"}
COMMANDS = ("detabed ", "python ", "make ", "pip ", "ssh ", "sudo ", ".venv/", "$ ")
NODES = '\n[[nodes]]\nzone = "DE"\n'
"""What a part of a scenario lacks."""
OTHER_FILES = {
    "keys.toml": "names and keys",
    "my-readings.toml": "read by the page's command",
    "mini.toml": "tests/docs/test_own_board.py",
    "factors.toml": "tests/docs/test_own_board.py",
    "my-app/pyproject.toml": "tests/docs/test_own_flower_app.py",
}
"""Files of TOML that are neither scenarios nor inventories, and who reads them."""
PUT_TOGETHER = {
    "docs/own-flower-app.md": (
        6,
        "tests/docs/test_own_flower_app.py",
    ),  # a block is put into a file of another one
}
"""Pages whose blocks, of this number, another test puts together and runs."""
LONG_PAGES = {"docs/sweeps.md", "docs/own-model.md"}
"""With ``--long`` only: many runs, and tests of their own, test_sweeps.py and test_own_model.py."""
ALL = [block for page in PAGES for block in blocks_of(page)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        give_runs(folder)
    return folder


@pytest.fixture
def folder(tmp_path: Path, finished: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The reader's folder; modules that a page writes are forgotten after it."""
    place = tmp_path / "reader"
    shutil.copytree(finished, place)
    monkeypatch.chdir(place)
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(sys, "path", [str(place), *sys.path])
    known = set(sys.modules)
    yield place
    for name in set(sys.modules) - known:
        places = [getattr(sys.modules[name], "__file__", None), *getattr(sys.modules[name], "__path__", ())]
        if any(str(each).startswith(str(place)) for each in places):
            del sys.modules[name]


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_found_and_has_a_language(page: str) -> None:
    found = blocks_of(page)
    assert fences_of(page) == 2 * len(found), "a fence is left open, or is not of backticks"
    for block in found:
        assert block.language in LANGUAGES, f"{block}: say which of {sorted(LANGUAGES)} it is"
        if block.language == "text":
            looks = [line for line in block.code.splitlines() if line.strip().startswith(COMMANDS)]
            assert looks == [], f"{block}: commands belong into a block of sh"


@pytest.mark.parametrize(
    "block", [block for block in ALL if block.language in ("toml", "json")], ids=lambda block: str(block)
)
def test_toml_and_json_are_valid(block: Block) -> None:
    if block.language == "json":
        SleepConfig(**json.loads(f"{{{block.code}}}")["sleep"])
        return
    read = tomllib.loads(block.code)
    if block.file == "boards.toml":
        parse_inventory(block.code, "boards.toml")
    elif block.file in OTHER_FILES or set(read) == {"tool"}:
        return
    elif any("zone" in node for node in read.get("nodes", ())):
        parse_scenario(block.code, str(block))
    else:
        parse_scenario(block.code + NODES, str(block))


@pytest.mark.processes
@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=pytest.mark.long) if page in LONG_PAGES else page
        for page in PAGES
        if page not in PUT_TOGETHER and any(block.language in ("sh", "python") for block in blocks_of(page))
    ],
)
def test_a_page_can_be_followed(page: str, folder: Path, request: pytest.FixtureRequest) -> None:
    long = bool(request.config.getoption("--long"))
    reader = Reader(folder, smaller=not long)
    blocks = blocks_of(page)
    commands = [command for block in blocks if block.language == "sh" for command in commands_of(block)]
    for block in blocks:
        if block.file is not None:
            reader.write(block)
    for block in blocks:
        if block.language == "python" and block.file is None:
            reader.run_code(block)
        elif block.language == "python" and not any(block.file in command.split() for command in commands):
            reader.run_file(block)
        elif block.language == "sh":
            for command in commands_of(block):
                if beginning(command, ELSEWHERE) or (beginning(command, LONG) and not long):
                    continue
                reader.run_command(command, str(block))


def test_what_does_not_run_here_stands_on_a_page() -> None:
    commands = [command for block in ALL if block.language == "sh" for command in commands_of(block)]
    assert {beginning(command, ELSEWHERE) for command in commands} - {None} == set(ELSEWHERE)
    assert {beginning(command, LONG) for command in commands} - {None} == set(LONG)
    for page, (count, test) in PUT_TOGETHER.items():
        assert len(blocks_of(page)) == count, (
            f"{page} has another number of blocks: does {test} run them all?"
        )
        assert (ROOT / test).exists()
