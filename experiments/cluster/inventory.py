"""The inventory of a cluster, ``boards.toml``: which boards there are, and where."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator

from carbon_data.utf8 import not_utf8
from experiments.errors import UsageError
from experiments.scenario.keys import File, Strict, as_tuple
from experiments.scenario.patterns import BOARD_ADDRESS, BOARD_NAME, LOGIN, NAME, PROGRAM, WORD
from experiments.scenario.refusals import explain
from experiments.scenario.where import Where
from protos.access.config import COORDINATOR, RUNNER

STARTER = """# Boards of a cluster, one table each. Next: detabed cluster init {name}, detabed cluster invite NAME.
"""


def _no_role(name: str) -> str:
    if name in (COORDINATOR, RUNNER):
        raise ValueError(f"{name!r} is the name of a part of every run; give the board another")
    return name


class Board(Strict):
    """One board."""

    name: Annotated[str, Field(pattern=BOARD_NAME), AfterValidator(_no_role)]
    """Node id: lower case letters, digits and hyphens, as in a host name."""
    address: str = Field(pattern=BOARD_ADDRESS)
    """Where the coordinator's machine reaches it: an IP address or a host name."""
    user: str | None = Field(default=None, pattern=LOGIN)
    """Whose login there ssh uses; None: as ssh_config says, or the name of the user here."""
    ssh_port: int | None = Field(default=None, ge=1, le=65_535)
    """Of its sshd; None: as ssh_config says, or 22."""
    python: str = Field(default="detabed/.venv/bin/python", pattern=PROGRAM)
    """Python of its installation, from the home of ``user``."""
    profile: str | None = Field(default=None, pattern=NAME)
    """Its board profile, a name of `detabed list boards`: what power of its meter can be true; None: the default of
    ``detabed meter test``."""
    meter: str | None = Field(default=None, pattern=WORD)
    """What reads its joules, as in ``fleet.meter``; None: as scenarios say."""


class Inventory(Strict):
    port: int | None = Field(default=None, ge=1, le=65_535)
    """Which daemons dial, ``fleet.port`` of scenarios; None: the scenarios' default."""
    ssh_config: File | None = None
    """ssh_config(5) for these boards, beside the inventory; None: the user's."""
    boards: Annotated[tuple[Board, ...], BeforeValidator(as_tuple), Field(min_length=1)]

    @model_validator(mode="after")
    def _each_once(self) -> Inventory:
        for key in ("name", "address"):
            values = [getattr(board, key) for board in self.boards]
            for value in dict.fromkeys(values):
                places = [str(number) for number, each in enumerate(values, 1) if each == value]
                if len(places) > 1:
                    raise ValueError(
                        f"{key} {value!r} is there {len(places)} times, as board {' and '.join(places)}; every board "
                        f"has a {key} of its own: change or remove one"
                    )
        return self

    def board(self, name: str) -> Board:
        """Raises UsageError with the names that there are."""
        for board in self.boards:
            if board.name == name:
                return board
        names = ", ".join(board.name for board in self.boards)
        raise UsageError(f"no board is called {name!r}; boards are {names}: correct the name, or add it")


def parse_inventory(text: str, name: str, folder: Path | None = None) -> Inventory:
    """``name``: what messages call the file; ``folder``: where its relative paths begin. Raises UsageError with file,
    line and key."""
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{name}: not valid TOML: {error}") from None
    try:
        return Inventory.model_validate(raw, context={"folder": folder})
    except ValidationError as error:
        raise UsageError(explain(error, Where.of(name, text), Inventory)) from None


def read_inventory(path: Path) -> Inventory:
    """Raises UsageError."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} {not_utf8(error)}") from None
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error}; detabed cluster init {path} NAME=ADDRESS ... writes an inventory"
        ) from None
    return parse_inventory(text, str(path), path.parent)


def inventory_text(boards: dict[str, str], name: str) -> str:
    """An inventory of boards by name, with their addresses."""
    tables = [f'\n[[boards]]\nname = "{board}"\naddress = "{address}"\n' for board, address in boards.items()]
    return STARTER.format(name=name) + "".join(tables)
