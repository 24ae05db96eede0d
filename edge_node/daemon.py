"""A board's daemon: it dials the runner's machine, hosts the node of one run after the other, and works for it.

It survives cuts of the network and a machine that comes back later: node, battery and outbox stay, and the streams are
opened again with jitter. Between runs it waits for the next one.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import signal
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import grpc
import grpc.aio

from edge_node.adapters.board_stream import BoardStream
from edge_node.adapters.flower_letter import from_letter, to_letter
from edge_node.adapters.stream import StreamOver
from edge_node.assignment import Assignment
from edge_node.board_file import BoardFile
from edge_node.hosting import HostedRun
from edge_node.notify import ready
from edge_node.tasks.memory import give_back
from edge_node.versions import versions
from protos.access.calls import Calls
from protos.access.config import COORDINATOR
from protos.codec import MAX_STREAM_BYTES, ProtocolError, safe_text
from protos.messages.boards import ASSIGNMENT, FLOWER, MEMORY, Hosting, Present, Release
from protos.messages.stream import Refusal
from protos.pieces import Letter
from protos.wire import REDIAL_OPTIONS, proxy_options

log = logging.getLogger(__name__)

BACKOFF_FIRST_S, BACKOFF_LAST_S = 0.2, 3.0
REFUSED_WAIT_S = 5.0
"""Before a board that a run does not want asks again: the next run may."""
FOR_GOOD = frozenset({"wrong_certificate", "fenced"})
"""Refusals that asking again does not change: another node's certificate, or a newer daemon of this node."""
NOT_LET_IN = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)


class DaemonError(RuntimeError):
    """The daemon cannot go on: says why."""


class Daemon:
    """Serves until ``stop`` is set.

    Args:
        board: Who it is, and where it dials.
        announce: Told of each node that is built, and of why one is not.
    """

    def __init__(self, board: BoardFile, announce: Callable[[dict[str, Any]], None] = lambda _: None) -> None:
        self._board, self._announce = board, announce
        self._calls = Calls(board.access)
        self._boot_id = uuid.uuid4().hex
        self._run: HostedRun | None = None
        self._said: Hosting | None = None
        self._stream: BoardStream | None = None
        self._working: set[asyncio.Task[None]] = set()
        # One after the other: a run's messages, and the building and closing of its node between them.
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="board")
        self.stop = asyncio.Event()

    async def serve(self) -> None:
        """Raises DaemonError where this board is refused for good."""
        dialling = asyncio.create_task(self._dial())
        stopping = asyncio.create_task(self.stop.wait())
        try:
            await asyncio.wait({dialling, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if dialling.done():
                dialling.result()
        finally:
            dialling.cancel()
            stopping.cancel()
            await asyncio.gather(dialling, stopping, return_exceptions=True)
            if self._run is not None:
                self._run.close(over=False)  # its outbox stays for the next start
            self._worker.shutdown(wait=False, cancel_futures=True)

    async def _dial(self) -> None:
        """Stream after stream, with full jitter between them."""
        ceiling_s = BACKOFF_FIRST_S
        options = (*REDIAL_OPTIONS, *proxy_options(self._board.coordinator))
        options = (*options, ("grpc.max_receive_message_length", MAX_STREAM_BYTES + 4096))
        async with self._calls.aio_channel(self._board.coordinator, COORDINATOR, options) as channel:
            while True:
                wait_s = random.uniform(0, ceiling_s)
                ceiling_s = min(BACKOFF_LAST_S, 2 * ceiling_s)
                try:
                    async for said in self._opened(channel).heard():
                        ceiling_s = BACKOFF_FIRST_S
                        if isinstance(said, Refusal):
                            wait_s = self._refused(said)
                        else:
                            self._take(said)
                except (grpc.aio.AioRpcError, StreamOver, ProtocolError) as error:
                    log.info(
                        "%s: no stream to %s: %s", self._board.node_id, self._board.coordinator, _brief(error)
                    )
                    if isinstance(error, grpc.aio.AioRpcError) and error.code() in NOT_LET_IN:
                        raise DaemonError(
                            f"{self._board.coordinator} does not let {self._board.node_id} in: {error.details()}"
                        ) from error
                except asyncio.CancelledError:
                    task = asyncio.current_task()
                    if task is None or task.cancelling():
                        raise
                    log.info("%s: stream to %s was cancelled", self._board.node_id, self._board.coordinator)
                finally:
                    self._stream = None
                await asyncio.sleep(wait_s)

    def _opened(self, channel: grpc.aio.Channel) -> BoardStream:
        session = self._run.session if self._run is not None else ""
        present = Present(self._board.node_id, self._boot_id, session, os.getpid(), versions())
        self._stream = BoardStream(channel, present)
        if (said := self._said) is not None:
            self._stream.say(said)
        return self._stream

    def _refused(self, refusal: Refusal) -> float:
        """Seconds until it asks again."""
        if refusal.code in FOR_GOOD:
            raise DaemonError(f"{self._board.coordinator} refuses {self._board.node_id}: {refusal.reason}")
        log.warning("%s: refused: %s", self._board.node_id, refusal.reason)
        return REFUSED_WAIT_S * random.uniform(0.5, 1.5)

    def _take(self, said: Letter | Release) -> None:
        """Begin what was asked for; returns at once, so that signs of life go on."""
        if isinstance(said, Release):
            work = self._release()
        elif said.kind == ASSIGNMENT:
            work = self._host(said)
        elif said.kind in (FLOWER, MEMORY):
            work = self._execute(said)
        else:
            raise ProtocolError("Piece.kind", said.kind, f"{ASSIGNMENT}, {FLOWER} or {MEMORY}")
        task = asyncio.create_task(work)
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    async def _in_turn(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)

    async def _host(self, letter: Letter) -> None:
        try:
            said = await self._in_turn(lambda: self._build(letter))
        except (
            Exception
        ) as error:  # building a node runs its task's code; the run is told, and may go on without
            log.warning("%s hosts no node: %s", self._board.node_id, error, exc_info=True)
            said = Hosting(letter.letter_id, "", "", safe_text(f"{type(error).__name__}: {error}"))
        self._announce({"node_id": self._board.node_id, "boot_id": self._boot_id, **asdict(said)})
        if self._stream is not None:
            self._stream.say(said)

    def _build(self, letter: Letter) -> Hosting:
        assignment = Assignment.from_letter(letter.content)
        if (said := self._said) is not None and said.session == assignment.session:
            return said  # asked twice
        self._close(over=True)
        self._run = HostedRun(self._board, assignment)
        give_back()  # what reading the data took
        node = self._run.node
        self._said = Hosting(assignment.session, node.peer_address, node.infer_address)
        return self._said

    async def _release(self) -> None:
        await self._in_turn(lambda: self._close(over=True))
        if self._stream is not None:
            self._stream.say(Hosting("", "", ""))

    def _close(self, *, over: bool) -> None:
        run, self._run, self._said = self._run, None, None
        if run is not None:
            run.close(over=over)

    async def _execute(self, letter: Letter) -> None:
        answer = await self._in_turn(lambda: self._answer(letter))
        if answer is not None and self._stream is not None:
            self._stream.answer(letter.letter_id, answer)

    def _answer(self, letter: Letter) -> Any:
        if self._run is None:
            return None  # released meanwhile: no answer is expected
        if letter.kind == MEMORY:
            return [self._run.memory().model_dump_json().encode()]
        try:
            message = from_letter(letter.content)
        except ValueError as error:
            log.warning("%s: %s", self._board.node_id, error)
            return None
        return to_letter(self._run.handle(message))


def _brief(error: BaseException) -> str:
    if isinstance(error, grpc.aio.AioRpcError):
        return f"{error.code().name}: {error.details()}"
    return f"{type(error).__name__}: {error}"


def run_daemon(board: BoardFile) -> None:
    """Serve until SIGINT or SIGTERM; one line of JSON on standard output for each node that is built.

    Raises DaemonError where the board is refused for good, ValueError for certificates that cannot be used.
    """

    async def serve() -> None:
        daemon = Daemon(board, lambda told: print(json.dumps(told), flush=True))
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, daemon.stop.set)
        ready()
        await daemon.serve()

    asyncio.run(serve())
