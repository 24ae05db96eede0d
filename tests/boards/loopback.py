"""Daemons on this machine: real processes under mutual TLS, each with a loopback address of its own."""

from __future__ import annotations

import contextlib
import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.boards.board_hosts import Boards

FLEET = 'kind = "daemons"\ncluster = "boards.toml"\nport = {port}\nappear_s = 240'


def _started(node_id: str, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, *arguments], text=True, **options)


def free_port() -> int:
    """One that Linux gives to no connection by itself (those begin at 32,768): it is dialled before it is bound.
    Drawn by the system: runs seed Python's own generator, so that two workers would draw the same port."""
    draw = random.SystemRandom()
    while True:
        port = draw.randrange(20_000, 32_000)
        with socket.socket() as taken, contextlib.suppress(OSError):
            taken.bind(("127.0.0.1", port))
            return port


@contextlib.contextmanager
def loopback_boards(folder: Path, count: int) -> Iterator[tuple[Boards, str]]:
    """Daemons n0, n1, ... that run, and the keys of ``[fleet]`` in a scenario in ``folder`` that uses them."""
    port = free_port()
    addresses = {f"n{k}": f"127.0.0.{k + 1}" for k in range(count)}
    boards = Boards(folder, addresses, f"127.0.0.1:{port}", _started)
    try:
        for node_id in addresses:
            boards.daemon(node_id)
        yield boards, FLEET.format(port=port)
    finally:
        boards.end()
