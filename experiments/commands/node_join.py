"""``detabed node join``: on a board, the key is made and the certificate obtained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from platformdirs import user_config_path

from experiments.cluster.join import join
from experiments.cluster.tokens import JoinToken
from experiments.commands.options import JsonOption
from experiments.commands.output import out, print_json


def node_join(
    address: Annotated[str, typer.Argument(metavar="HOST:PORT", help="As detabed cluster invite prints it.")],
    token: Annotated[
        str, typer.Option(help="As detabed cluster invite prints it; good for one board, once.")
    ],
    folder: Annotated[
        Path | None,
        typer.Option(
            help="Where key and certificate lie; default: detabed/node in the user's configuration."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    parsed = JoinToken.parse(token)
    place = (folder or user_config_path("detabed", appauthor=False) / "node").absolute()
    certificate = join(address, parsed, place)
    until = certificate.not_valid_after_utc
    if as_json:
        print_json({"node": parsed.node_id, "folder": str(place), "until": until.isoformat()})
        return
    out.print(
        f"this board is {parsed.node_id} until {until:%Y-%m-%d}: key and certificate are in {place}. A node's "
        f'configuration names them as "access": {{"certificates": "{place}"}}',
        soft_wrap=True,
        markup=False,
    )
