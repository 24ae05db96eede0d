"""The edge server's process: ``python -m experiments.studies.terminal.server MODELS DIGEST [USERS]``.

Reads a token from standard input, prints its port on standard output, serves as many connections from this machine as
there are users, each of which begins with the token, and ends with the last of them. It works on one message at a time,
in the order in which they arrive; what it remembers of earlier frames it keeps for each user apart. Everything that
arrives is checked; nothing of it is executed.
"""

from __future__ import annotations

import hmac
import queue
import socket
import struct
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from edge_node.tasks.process import configure_process
from experiments.studies.terminal.options import Options, build_options
from experiments.studies.terminal.training import load_models
from experiments.studies.terminal.video_training import FILE, load_head
from experiments.studies.terminal.wire import (
    TOKEN_BYTES,
    Kind,
    LinkError,
    Message,
    receive,
    receive_exactly,
    scores_to_bytes,
)

ACCEPT_TIMEOUT_S = 60.0
IDLE_TIMEOUT_S = 300.0
COUNTS = struct.Struct("!QQ")
"""Bytes received and sent in requests and replies since the last counts."""
TIME = struct.Struct("!3d")
"""Of a request: when it had arrived, when work on it began, and when it was done; s of the machine's monotone clock."""


def main() -> None:
    token = sys.stdin.buffer.read(TOKEN_BYTES)
    if len(token) != TOKEN_BYTES:
        sys.exit(f"standard input must give a token of {TOKEN_BYTES} bytes, got {len(token)}")
    configure_process()
    path, digest = Path(sys.argv[1]), sys.argv[2]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    models, head = load_models(path, digest), path.with_name(FILE)
    users = [build_options(models, load_head(head)) for _ in range(count)]
    connections = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(ACCEPT_TIMEOUT_S)
        print(listener.getsockname()[1], flush=True)
        for _ in users:
            connection, _ = listener.accept()
            connection.settimeout(IDLE_TIMEOUT_S)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if not hmac.compare_digest(receive_exactly(connection, TOKEN_BYTES), token):
                sys.exit("the connection did not begin with the token")
            connections.append(connection)
    serve(connections, users)
    for connection in connections:
        connection.close()


Arrived = tuple[int, float, Message | LinkError]
"""User, moment, and what came of it."""


class User:
    """One terminal as the server knows it: what it remembers of it, and what it counted."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._received = self._sent = 0
        self._times: list[tuple[float, float, float]] = []

    def reply(self, message: Message, arrived_s: float) -> Message:
        """To one message that had arrived at ``arrived_s``."""
        if message.kind is Kind.COUNTS:
            payload = COUNTS.pack(self._received, self._sent)
            self._received = self._sent = 0
            return Message(Kind.COUNTS, 0, message.sequence, payload)
        if message.kind is Kind.TIMES:
            payload = b"".join(TIME.pack(*times) for times in self._times)
            self._times = []
            return Message(Kind.TIMES, 0, message.sequence, payload)
        if message.kind is Kind.RESET and message.option < len(self._options.offload):
            self._options.offload[message.option].reset()
            return Message(Kind.RESET, message.option, message.sequence, b"")
        if message.kind is Kind.REQUEST:
            self._received += message.num_bytes
            began_s = time.perf_counter()
            reply = answer(message, self._options)
            self._times.append((arrived_s, began_s, time.perf_counter()))
            self._sent += reply.num_bytes
            return reply
        return Message(Kind.ERROR, 0, message.sequence, f"no such message: {message.kind}".encode())


def serve(connections: Sequence[socket.socket], options: Sequence[Options]) -> None:
    """Answer messages, first come first served, until every terminal has said goodbye. Ends the process where one goes
    away without. ``options``: one of each for each connection."""
    came: queue.SimpleQueue[Arrived] = queue.SimpleQueue()
    in_turn = threading.Lock()
    for user, connection in enumerate(connections):
        threading.Thread(target=_read, args=(user, connection, came, in_turn), daemon=True).start()
    users, left = [User(each) for each in options], len(connections)
    while left:
        user, arrived_s, message = came.get()
        if isinstance(message, LinkError):
            sys.exit(f"edge server: {message}")
        if message.kind is Kind.BYE:
            left -= 1
            continue
        connections[user].sendall(users[user].reply(message, arrived_s).encode())


def _read(
    user: int, connection: socket.socket, came: queue.SimpleQueue[Arrived], in_turn: threading.Lock
) -> None:
    """Put all messages of one terminal into ``came``, up to its goodbye or its end. ``in_turn``: held from the moment
    that a message is given until it is in the queue, so that no later one is before it."""
    while True:
        found: Message | LinkError
        try:
            found = receive(connection)
        except LinkError as error:
            found = error
        with in_turn:
            came.put((user, time.perf_counter(), found))
        if isinstance(found, LinkError) or found.kind is Kind.BYE:
            return


def answer(message: Message, options: Options) -> Message:
    """Class scores for a request, or an error with its reason."""
    if message.option >= len(options.offload):
        reason = f"option {message.option} is unknown; there are {len(options.offload)}"
        return Message(Kind.ERROR, message.option, message.sequence, reason.encode())
    try:
        logits = options.offload[message.option].answer(message.payload)
    except ValueError as error:
        return Message(Kind.ERROR, message.option, message.sequence, str(error).encode())
    return Message(Kind.REPLY, message.option, message.sequence, scores_to_bytes(logits))


if __name__ == "__main__":
    main()
