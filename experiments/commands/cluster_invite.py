"""``detabed cluster invite``: a token for one board, and the port at which it joins."""

from __future__ import annotations

import shlex
import socket
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from experiments.cluster.cluster import Cluster
from experiments.cluster.inventory import Board, read_inventory
from experiments.cluster.join_service import JoinService
from experiments.cluster.tokens import State
from experiments.commands.options import InventoryOption, JsonOption
from experiments.commands.output import err, out, print_json
from experiments.errors import RunError, UsageError

POLL_S = 0.2


def cluster_invite(
    node: Annotated[str, typer.Argument(help="Board of the inventory.")],
    inventory: InventoryOption = Path("boards.toml"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0: any free one.")] = 0,
    as_json: JsonOption = False,
) -> None:
    found = read_inventory(inventory)
    board = found.board(node)
    cluster = Cluster.open(inventory)
    host = address_towards(board)
    try:
        service = JoinService(cluster, host, port)
    except OSError as error:
        raise UsageError(f"nothing can listen on {host}:{port} ({error}); give another --port") from error
    with service:
        token = cluster.invite(node)
        # What the inventory knows and the board does not.
        more = [] if found.port is None else ["--port", str(found.port)]
        more += [] if board.meter is None else ["--meter", board.meter]
        command = shlex.join(["detabed", "node", "join", service.address, "--token", str(token), *more])
        if as_json:
            print_json({"node": node, "address": service.address, "token": str(token), "command": command})
            sys.stdout.flush()
        else:
            out.print(command, soft_wrap=True, markup=False, highlight=False)
        err.print(f"type that on {node} within ten minutes; waiting (Ctrl-C ends it)", markup=False)
        while (state := cluster.invited(node)) is State.WAITING:
            time.sleep(POLL_S)
    if state is State.EXPIRED:
        raise RunError(f"{node} did not join in ten minutes, and its token has expired; invite it again")
    err.print(f"{node} joined", markup=False)


def address_towards(board: Board) -> str:
    """Address of this machine from which it reaches the board. Nothing is sent. Raises UsageError."""
    try:
        family, kind, _, _, target = socket.getaddrinfo(board.address, 9, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as asked:
            asked.connect(target)
            return str(asked.getsockname()[0])
    except OSError as error:
        raise UsageError(
            f"board {board.name}: there is no way to {board.address} ({error.strerror or error}); correct its "
            "address in the inventory, or connect this machine to its network"
        ) from error
