"""The terminal's end of the link: starts the server's process, sends at the shaped rate, counts what it sends."""

from __future__ import annotations

import secrets
import select
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from torch import Tensor

from edge_node.splitting.incremental import Frame
from experiments.fleet.spawn import command
from experiments.studies.terminal.options import Options
from experiments.studies.terminal.server import COUNTS, TIME
from experiments.studies.terminal.shaper import RateSchedule, ShapedSender
from experiments.studies.terminal.wire import (
    TOKEN_BYTES,
    Kind,
    LinkError,
    Message,
    receive,
    scores_from_bytes,
)

START_TIMEOUT_S = 120.0
REPLY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Reply:
    """Of one inference over the link."""

    logits: Tensor
    up_bytes: int
    down_bytes: int
    encode_s: float
    """The terminal's part on this machine, wall clock."""
    send_s: float
    """From the first byte handed over to the last, at the shaped rate."""
    answer_s: float
    """From the last byte sent to the whole answer: the server's part on this machine and loopback."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Bytes of requests and replies, as one end saw them."""

    up_bytes: int
    down_bytes: int


@dataclass(frozen=True, slots=True)
class Served:
    """One request at the server; s of the machine's monotone clock."""

    arrived_s: float
    began_s: float
    done_s: float


class EdgeServer:
    """A server process for one or more terminals; a context manager.

    Args:
        models: File of ``training.save_models``; that of ``video_training.save_head`` is beside it.
        digest: Its digest, for the server's own record.
        log: Where the server's standard error goes.
        users: Connections that it waits for.
    """

    def __init__(self, models: Path, digest: str, log: Path, users: int = 1) -> None:
        self._models, self._digest, self._log, self._users = models, digest, log, users

    def __enter__(self) -> Self:
        self._token = secrets.token_bytes(TOKEN_BYTES)
        arguments = (str(self._models), self._digest, str(self._users))
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command("experiments.studies.terminal.server", *arguments),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        try:
            assert self._process.stdin is not None  # both are pipes
            assert self._process.stdout is not None
            self._process.stdin.write(self._token)
            self._process.stdin.close()
            ready, _, _ = select.select([self._process.stdout], [], [], START_TIMEOUT_S)
            line = self._process.stdout.readline() if ready else b""
            if not line.strip().isdigit():
                raise LinkError(
                    f"the edge server's process gave no port within {START_TIMEOUT_S:.0f} s; see {self._log}"
                )
            self._port = int(line)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    @contextmanager
    def link(self, options: Options) -> Iterator[EdgeLink]:
        """A terminal's connection, which says goodbye at the end. ``options``: of this terminal alone; the server
        builds the same from ``models``."""
        with socket.create_connection(("127.0.0.1", self._port), timeout=REPLY_TIMEOUT_S) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(self._token)
            failed = True
            try:
                yield EdgeLink(connection, options)
                failed = False
            finally:
                try:
                    connection.sendall(Message(Kind.BYE, 0, 0, b"").encode())
                except OSError as failure:
                    if not failed:
                        raise LinkError(f"the edge server went away: {failure}; see {self._log}") from failure

    def _end(self) -> None:
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


@contextmanager
def edge_link(models: Path, digest: str, options: Options, log: Path) -> Iterator[EdgeLink]:
    """A server process of one's own and the connection to it; arguments as ``EdgeServer`` and its ``link``."""
    with EdgeServer(models, digest, log) as server, server.link(options) as link:
        yield link


class EdgeLink:
    """A terminal's connection to the edge server."""

    def __init__(self, connection: socket.socket, options: Options) -> None:
        self._socket, self.options = connection, options
        self._up = self._down = 0
        self._sequence = 0
        self.sender = ShapedSender(self._socket.sendall, time.perf_counter, time.sleep)

    def shape(self, schedule: RateSchedule) -> None:
        """From now on send at these rates."""
        self.sender.set_schedule(schedule)

    def infer(self, name: str, frame: Frame) -> Reply:
        """One frame by the option called ``name``, for real. Raises LinkError when the server does not answer it."""
        index = self.options.index(name)
        began = time.perf_counter()
        payload = self.options.offload[index].encode(frame)
        encoded = time.perf_counter()
        self._sequence += 1
        request = Message(Kind.REQUEST, index, self._sequence, payload)
        self.sender.send(request.encode())
        sent = time.perf_counter()
        reply = self._receive(Kind.REPLY)
        self._up += request.num_bytes
        self._down += reply.num_bytes
        return Reply(
            logits=scores_from_bytes(reply.payload),
            up_bytes=request.num_bytes,
            down_bytes=reply.num_bytes,
            encode_s=encoded - began,
            send_s=sent - encoded,
            answer_s=time.perf_counter() - sent,
        )

    def reset(self, name: str) -> None:
        """Both ends forget earlier frames of an option."""
        index = self.options.index(name)
        self.options.offload[index].reset()
        self._control(Message(Kind.RESET, index, 0, b""))

    def counts(self) -> tuple[Counts, Counts]:
        """Bytes of requests and replies since the last call: as counted here, and as counted by the server."""
        reply = self._control(Message(Kind.COUNTS, 0, 0, b""))
        received, sent = COUNTS.unpack(reply.payload)
        here = Counts(self._up, self._down)
        self._up = self._down = 0
        return here, Counts(received, sent)

    def times(self) -> list[Served]:
        """Of the requests since the last call, in their order."""
        payload = self._control(Message(Kind.TIMES, 0, 0, b"")).payload
        return [Served(*times) for times in TIME.iter_unpack(payload)]

    def _control(self, message: Message) -> Message:
        self._sequence += 1
        self._socket.sendall(Message(message.kind, message.option, self._sequence, message.payload).encode())
        return self._receive(message.kind)

    def _receive(self, kind: Kind) -> Message:
        reply = receive(self._socket)
        if reply.kind is Kind.ERROR:
            raise LinkError(f"the edge server refused: {reply.payload.decode(errors='replace')}")
        if reply.kind is not kind or reply.sequence != self._sequence:
            raise LinkError(f"answer {reply.kind.name} {reply.sequence} to {kind.name} {self._sequence}")
        return reply
