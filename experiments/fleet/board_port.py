"""The port that boards dial: which boards are there, what they host, and letters to and from them.

A letter to a board is kept until it is answered, and sent again on the board's next stream: the node answers a message
that it has done from memory (node_host.py). To another start of the board's process it is not sent again: it may have
been carried out, and the new start has no part in that slot.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio

from edge_node.versions import differences, versions
from protos.access.config import Access
from protos.access.guard import Caller, Guard
from protos.codec import MAX_STREAM_BYTES, SERVE, ProtocolError, safe_text
from protos.messages.boards import FLOWER, SILENT_S, Beat, Hosting, Piece, Present, Release, ToBoard
from protos.messages.stream import Refusal
from protos.pieces import Assembly, Buffer, cut
from protos.wire import NO_DECOMPRESSION

logger = logging.getLogger(__name__)

PRESENT_S = 5.0
"""A new stream must say who it is within this time."""
SPARE_STREAMS = 16
"""Beside two a board (an old one may linger): those that are about to be refused."""
OPTIONS = (
    ("grpc.max_receive_message_length", MAX_STREAM_BYTES + 4096),
    NO_DECOMPRESSION,
    ("grpc.keepalive_time_ms", 5_000),
    ("grpc.keepalive_timeout_ms", 3_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 2_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.http2.max_ping_strikes", 0),  # pings of a busy machine come in bunches
    ("grpc.so_reuseport", 0),
)

_Turn = tuple[str, str, Sequence[Buffer]] | ToBoard | None
"""What a stream sends next: a letter (id, kind, content), a message, or its end."""


@dataclass
class _Open:
    """A letter that waits for its answer."""

    content: Sequence[Buffer]
    kind: str
    boot_id: str = ""
    """Start of the board's process that it was sent to; empty: not sent yet."""


@dataclass
class Board:
    """One board, as its last stream left it."""

    present: Present | None = None
    hosting: Hosting | None = None
    heard_at: float = float("-inf")
    turns: asyncio.Queue[_Turn] | None = None
    """Of its open stream."""
    refused: str = ""
    """Why it was not let in, the last time that it was not."""
    waiting: dict[str, _Open] = field(default_factory=dict)


class BoardPort:
    """Boards by node id. Its methods are for other threads; the streams run on a loop of its own.

    Args:
        access: The coordinator's certificate.
        host, port: Where it listens.
        node_ids: Boards that may come.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        access: Access,
        host: str,
        port: int,
        node_ids: Sequence[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._guard = Guard(access)
        self._host, self._port = host, port
        self.boards = {node_id: Board() for node_id in node_ids}
        self.changed = threading.Condition()
        """Held for every look at a board and every change."""
        self.clock = clock
        self.answers: dict[str, bytearray | None] = {}
        """Content by letter id, for whoever sent it to take; None: the board's process is another now."""
        self.assign: Callable[[str], tuple[str, Sequence[Buffer]] | None] = lambda _: None
        """(session, assignment) that a board is to host now; None: nothing."""
        self._versions = versions()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="board-port", daemon=True)
        self._server: grpc.aio.Server | None = None
        self.address = ""

    def start(self) -> None:
        """Raises OSError where the address cannot be had."""
        self._thread.start()
        self.address = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()

    def close(self) -> None:
        """End all streams; boards wait for the next run. May be called twice."""
        if not self._thread.is_alive():
            return
        asyncio.run_coroutine_threadsafe(self._shut_down(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # --- for other threads ---

    def call_all(self) -> None:
        """Tell every board that is there what to host now."""
        self._loop.call_soon_threadsafe(self._call_all)

    def send(self, node_id: str, letter_id: str, content: Sequence[Buffer], kind: str = FLOWER) -> None:
        """Have a letter answered, now or when the board is back."""
        with self.changed:
            self.boards[node_id].waiting[letter_id] = _Open(content, kind)
        self._loop.call_soon_threadsafe(self._send_waiting, node_id)

    def withdraw(self, node_id: str, letter_id: str) -> None:
        """Nobody waits for this answer any more. Call with ``changed`` held."""
        self.boards[node_id].waiting.pop(letter_id, None)

    def silent_s(self, node_id: str) -> float:
        """Since the board was heard. Call with ``changed`` held."""
        return self.clock() - self.boards[node_id].heard_at

    # --- on the loop ---

    async def _listen(self) -> str:
        streams = 2 * len(self.boards) + SPARE_STREAMS
        self._server = grpc.aio.server(options=OPTIONS, maximum_concurrent_rpcs=streams)
        handler = grpc.stream_stream_rpc_method_handler(self._serve)
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(SERVE.service, {SERVE.method: handler}),)
        )
        address = self._guard.listen(self._server, self._host, self._port)
        await self._server.start()
        return address

    async def _shut_down(self) -> None:
        for board in self.boards.values():
            if board.turns is not None:
                board.turns.put_nowait(None)
        if self._server is not None:
            await self._server.stop(1.0)

    def _call_all(self) -> None:
        for node_id, board in self.boards.items():
            if board.turns is not None:
                self._call(node_id, board)

    def _call(self, node_id: str, board: Board) -> None:
        """What a board that is connected must do: host this run's node, or none."""
        assert board.turns is not None
        assert board.present is not None
        wanted = self.assign(node_id)
        hosted = board.hosting.session if board.hosting is not None else board.present.session
        if wanted is None:
            if hosted:
                board.turns.put_nowait(Release())
        elif wanted[0] != hosted:
            board.turns.put_nowait((wanted[0], "assignment", wanted[1]))
        else:
            self._send_waiting(node_id)

    def _send_waiting(self, node_id: str) -> None:
        board = self.boards[node_id]
        wanted = self.assign(node_id)
        with self.changed:
            if board.turns is None or board.hosting is None or board.present is None or wanted is None:
                return
            if board.hosting.session != wanted[0] or board.hosting.failure:
                return
            boot_id = board.present.boot_id
            for letter_id, waiting in list(board.waiting.items()):
                if waiting.boot_id == "":
                    waiting.boot_id = boot_id
                    board.turns.put_nowait((letter_id, waiting.kind, waiting.content))

    async def _serve(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        caller = await self._guard.caller(context)
        turns: asyncio.Queue[_Turn] = asyncio.Queue()
        reader = asyncio.ensure_future(self._read(requests, turns, caller))
        try:
            while (turn := await turns.get()) is not None:
                if not isinstance(turn, tuple):
                    yield SERVE.encode_response(turn)
                    continue
                for piece in cut(*turn):
                    yield SERVE.encode_response(piece)
        finally:
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reader

    async def _read(
        self, requests: AsyncIterator[bytes], turns: asyncio.Queue[_Turn], caller: Caller
    ) -> None:
        node_id = ""
        try:
            present = SERVE.decode_request(await asyncio.wait_for(anext(requests), PRESENT_S))
            if (refusal := self._refusal(present, caller)) is not None:
                turns.put_nowait(refusal)
                return
            node_id = present.node_id
            self._enter(present, turns)
            await self._hear(node_id, requests, turns, caller)
        except ProtocolError as error:
            turns.put_nowait(Refusal("malformed", safe_text(error)))
        except (TimeoutError, StopAsyncIteration):
            logger.info("the stream of %s ended", node_id or "an unnamed board")
        except grpc.aio.UsageError:
            logger.info("the stream of %s is gone", node_id or "an unnamed board")
        finally:
            if node_id:
                self._leave(node_id, turns)
            turns.put_nowait(None)

    def _refusal(self, present: Any, caller: Caller) -> Refusal | None:
        if not isinstance(present, Present):
            return Refusal("malformed", "the first message of a board's stream is Present")
        node_id = present.node_id
        if not caller.may_be(node_id):
            return Refusal("wrong_certificate", f"the certificate is of {caller}, not of {node_id}")
        if node_id not in self.boards:
            return Refusal("unknown_node", f"{node_id} has no part in this run; it waits for the next")
        if differ := differences(present.versions, self._versions):
            reason = f"{node_id} has {differ}"
            with self.changed:
                self.boards[node_id].refused = reason
                self.changed.notify_all()
            return Refusal("other_versions", f"{reason}; install the same there, and start its daemon again")
        return None

    def _enter(self, present: Present, turns: asyncio.Queue[_Turn]) -> None:
        board = self.boards[present.node_id]
        with self.changed:
            if board.turns is not None:
                board.turns.put_nowait(Refusal("fenced", f"a newer stream of {present.node_id} took over"))
                board.turns.put_nowait(None)
            if board.present is not None:
                logger.warning("board %s is back", present.node_id)
            board.present, board.turns, board.refused = present, turns, ""
            board.heard_at = self.clock()
            for letter_id, waiting in list(board.waiting.items()):
                if waiting.boot_id in ("", present.boot_id):
                    waiting.boot_id = ""  # sent again on this stream
                else:
                    del board.waiting[letter_id]
                    self.answers[letter_id] = None
            if board.hosting is not None and board.hosting.session != present.session:
                board.hosting = None
            self.changed.notify_all()
        self._call(present.node_id, board)

    def _leave(self, node_id: str, turns: asyncio.Queue[_Turn]) -> None:
        board = self.boards[node_id]
        with self.changed:
            if board.turns is turns:
                board.turns = None
            self.changed.notify_all()

    async def _hear(
        self, node_id: str, requests: AsyncIterator[bytes], turns: asyncio.Queue[_Turn], caller: Caller
    ) -> None:
        board, assembly = self.boards[node_id], Assembly()
        while True:
            message = SERVE.decode_request(await asyncio.wait_for(anext(requests), SILENT_S))
            if caller.is_revoked():
                turns.put_nowait(Refusal("revoked", f"the certificate of {node_id} is revoked"))
                return
            if board.turns is not turns:
                return  # a newer stream took over
            with self.changed:
                board.heard_at = self.clock()
            if isinstance(message, Beat):
                turns.put_nowait(Beat())
            elif isinstance(message, Hosting):
                with self.changed:
                    board.hosting = message
                    self.changed.notify_all()
                self._call(node_id, board)
            elif isinstance(message, Piece):
                if (letter := assembly.take(message)) is not None:
                    self._answered(board, letter.letter_id, letter.content)
            else:
                raise ProtocolError("kind", type(message).__name__, "Beat, Hosting or Piece")

    def _answered(self, board: Board, letter_id: str, content: bytearray) -> None:
        with self.changed:
            if board.waiting.pop(letter_id, None) is None:
                logger.info("an answer came that nobody waits for any more")
                return
            self.answers[letter_id] = content
            self.changed.notify_all()
