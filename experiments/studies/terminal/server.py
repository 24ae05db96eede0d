"""The edge server's process: ``python -m experiments.studies.terminal.server MODELS DIGEST``.

Reads a token from standard input, prints its port on standard output, serves one connection from this machine that
begins with the token, and ends with it. Everything that arrives is checked; nothing of it is executed.
"""

from __future__ import annotations

import hmac
import socket
import struct
import sys
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


def main() -> None:
    token = sys.stdin.buffer.read(TOKEN_BYTES)
    if len(token) != TOKEN_BYTES:
        sys.exit(f"standard input must give a token of {TOKEN_BYTES} bytes, got {len(token)}")
    configure_process()
    path, digest = Path(sys.argv[1]), sys.argv[2]
    options = build_options(load_models(path, digest), load_head(path.with_name(FILE)))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(ACCEPT_TIMEOUT_S)
        print(listener.getsockname()[1], flush=True)
        connection, _ = listener.accept()
    with connection:
        connection.settimeout(IDLE_TIMEOUT_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not hmac.compare_digest(receive_exactly(connection, TOKEN_BYTES), token):
            sys.exit("the connection did not begin with the token")
        serve(connection, options)


def serve(connection: socket.socket, options: Options) -> None:
    """Answer messages until the terminal says goodbye or goes away."""
    received = sent = 0
    while True:
        try:
            message = receive(connection)
        except LinkError as error:
            sys.exit(f"edge server: {error}")
        if message.kind is Kind.BYE:
            return
        if message.kind is Kind.COUNTS:
            reply = Message(Kind.COUNTS, 0, message.sequence, COUNTS.pack(received, sent))
            received = sent = 0
        elif message.kind is Kind.RESET and message.option < len(options.offload):
            options.offload[message.option].reset()
            reply = Message(Kind.RESET, message.option, message.sequence, b"")
        elif message.kind is Kind.REQUEST:
            received += message.num_bytes
            reply = answer(message, options)
            sent += reply.num_bytes
        else:
            reply = Message(Kind.ERROR, 0, message.sequence, f"no such message: {message.kind}".encode())
        connection.sendall(reply.encode())


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
