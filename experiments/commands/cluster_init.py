"""``detabed cluster init``: an inventory of boards and the authority that certifies them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.cluster.cluster import Cluster, folder_of
from experiments.cluster.inventory import inventory_text, parse_inventory, read_inventory
from experiments.commands.options import JsonOption
from experiments.commands.output import out, print_json
from experiments.errors import UsageError


def cluster_init(
    inventory: Annotated[
        Path, typer.Argument(help="Inventory to write, or one that you wrote: boards.toml.")
    ],
    boards: Annotated[
        list[str] | None, typer.Argument(metavar="NAME=ADDRESS", help="Boards, for a new inventory.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    if inventory.exists() and boards:
        raise UsageError(
            f"{inventory} exists already: add the boards there, then: detabed cluster init {inventory}"
        )
    if inventory.exists():
        found = read_inventory(inventory)
    else:
        text = inventory_text(_pairs(boards or [], inventory), inventory.name)
        found = parse_inventory(text, str(inventory))
    if folder_of(inventory).exists():
        Cluster.make(inventory)  # refuses, with what to do next, before anything is written
    if not inventory.exists():
        try:
            inventory.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{inventory} cannot be written: {error}; give another name") from None
    cluster = Cluster.make(inventory)
    names = [board.name for board in found.boards]
    following = f"detabed cluster invite {names[0]} --inventory {inventory}"
    if as_json:
        print_json(
            {
                "inventory": str(inventory),
                "access": str(folder_of(inventory)),
                "authority": cluster.authority.fingerprint,
                "boards": names,
                "next": following,
            }
        )
        return
    out.print(
        f"{len(names)} boards in {inventory}; their authority is in {folder_of(inventory)}: keep it private. "
        f"Next: {following}",
        soft_wrap=True,
        markup=False,
    )


def _pairs(texts: list[str], inventory: Path) -> dict[str, str]:
    """Addresses by name, in the order given. Raises UsageError."""
    if not texts:
        raise UsageError(
            f"{inventory} is not there and no board was given: detabed cluster init {inventory} NAME=ADDRESS ..., "
            "for example n0=192.168.1.10 n1=192.168.1.11"
        )
    found: dict[str, str] = {}
    for text in texts:
        name, equals, address = text.partition("=")
        if not (name and equals and address) or '"' in text or "\\" in text:
            raise UsageError(f"{text!r} is no board; give NAME=ADDRESS, for example n0=192.168.1.10")
        if name in found:
            raise UsageError(
                f"board {name} is given twice ({found[name]} and {address}); rename or remove one"
            )
        found[name] = address
    return found
