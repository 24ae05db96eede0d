"""``detabed node join``: on a board, the key is made, the certificate obtained, and the daemon made ready."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from platformdirs import user_config_path, user_data_path, user_state_path

from carbon_data.files.folders import DATA_DIR_VARIABLE
from edge_node.board_file import read_board_file
from experiments.cluster.board_setup import NAME, board_values, write_board_file
from experiments.cluster.clock import Clock
from experiments.cluster.join import host_and_port, join
from experiments.cluster.tokens import JoinToken
from experiments.cluster.unit import Kind, Unit
from experiments.commands.options import JsonOption
from experiments.commands.output import err, out, print_json
from experiments.errors import UsageError


def node_join(
    address: Annotated[str, typer.Argument(metavar="HOST:PORT", help="As detabed cluster invite prints it.")],
    token: Annotated[
        str, typer.Option(help="As detabed cluster invite prints it; good for one board, once.")
    ],
    folder: Annotated[
        Path | None,
        typer.Option(
            help="Where key and certificate lie, with board.json beside it; default: detabed/node in the user's "
            "configuration."
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65535,
            help="fleet.port of scenarios, which the daemon dials; default: as before, or 7740.",
        ),
    ] = None,
    meter: Annotated[
        str | None,
        typer.Option(help="What reads this board's joules; default: as before, or the scenario's."),
    ] = None,
    peer_address: Annotated[
        str | None,
        typer.Option("--address", help="Where other boards reach this one, if not where it dials from."),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Of the learning; default: as before, or 1.")
    ] = None,
    apps: Annotated[
        bool | None,
        typer.Option(
            "--apps/--no-apps",
            help="Whether the board executes Flower apps that come with a run; default: as before, or not.",
        ),
    ] = None,
    unit: Annotated[
        Kind,
        typer.Option(
            help="Whose systemd is to start the daemon; auto: root's own for root, the user's for others, none where "
            "systemd does not run."
        ),
    ] = Kind.AUTO,
    enable: Annotated[
        bool,
        typer.Option("--enable", help="Start it now and with the board; otherwise the commands are printed."),
    ] = False,
    wait: Annotated[
        float, typer.Option(min=0, max=540, help="Seconds to wait for time synchronisation.")
    ] = 120.0,
    as_json: JsonOption = False,
) -> None:
    parsed = JoinToken.parse(token)
    host, _ = host_and_port(address, parsed.node_id)
    chosen = unit.chosen()
    if enable and chosen is Kind.NONE:
        raise UsageError(
            "--enable needs systemd, and it does not run here: leave it out, or give --unit user"
        )
    place = (folder or user_config_path("detabed", appauthor=False) / "node").absolute()
    file = place.parent / NAME
    folders = {
        "certificates": place,
        "folder": user_state_path("detabed", appauthor=False),
        "own_code": user_data_path("detabed", appauthor=False) / "own",
    }
    # The daemon may be started where no shell has set it.
    data = os.environ.get(DATA_DIR_VARIABLE) or None
    said = {"meter": meter, "address": peer_address, "threads": threads, "apps": apps, "data": data}
    values = board_values(file, parsed.node_id, host, port, folders, **said)
    clock = Clock(wait, lambda said: err.print(said, markup=False, highlight=False, soft_wrap=True))
    certificate = join(address, parsed, place, clock)
    write_board_file(file, values)
    board = read_board_file(file)
    service = None if chosen is Kind.NONE else Unit(chosen, parsed.node_id, file, board.folder)
    if service is not None:
        service.write()
    if enable and service is not None:
        service.enable()
    start = f"{shlex.quote(sys.executable)} -P -m edge_node {shlex.quote(str(file))}"
    following = start if service is None else " && ".join(map(shlex.join, service.commands()))
    until = certificate.not_valid_after_utc
    if as_json:
        print_json(
            {
                "node": parsed.node_id,
                "folder": str(place),
                "until": until.isoformat(),
                "board_file": str(file),
                "unit": None if service is None else str(service.path),
                "next": None if enable else following,
            }
        )
        return
    made = f"key and certificate are in {place}, its settings in {file}"
    made += "" if service is None else f", its unit in {service.path}"
    then = (
        "Its daemon runs, and starts with the board" if enable else f"Its daemon is started by: {following}"
    )
    out.print(
        f"this board is {parsed.node_id} until {until:%Y-%m-%d}: {made}. {then}",
        soft_wrap=True,
        markup=False,
        highlight=False,
    )
