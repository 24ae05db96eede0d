"""The streams of nodes: messages are taken up as they come, and written together; at most a few of a stream are not
durable yet.

So a flooding node waits for the disk, and no other node does. The codec alone turns bytes into messages: bytes that it
cannot read are answered with a refusal and never with a traceback.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import grpc
from grpc import aio

from coordinator.adapters.durability import Durability
from coordinator.adapters.outboxes import Outbox, Outboxes, end, new_outbox
from coordinator.slots.protocol import Effects, Refused
from coordinator.slots.service import CoordinatorService
from protos import codec
from protos.access.guard import Caller, Guard
from protos.messages.stream import Heartbeats, Refusal, Register, UpMessage

log = logging.getLogger(__name__)

REGISTER_S = 5.0
"""A new stream must register its node within this time."""
UNWRITTEN = 32
"""Messages of a stream between two looks whether those before are durable: it is read no further while more than twice
as many are not."""


class Attendance:
    """Takes up messages of nodes, and yields messages to them."""

    def __init__(
        self,
        service: CoordinatorService,
        durability: Durability,
        outboxes: Outboxes,
        guard: Guard,
        most_streams: int,
    ) -> None:
        """``most_streams`` at a time: further ones are refused at once, so that the runner's calls find room."""
        self._most_streams, self._streams = most_streams, 0
        self._service, self._durability, self._outboxes = service, durability, outboxes
        self._guard = guard

    async def attend(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        """One node's stream: its messages are taken up by a task of its own, messages to it are yielded
        here.
        """
        if self._streams >= self._most_streams:
            await context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"{self._most_streams} streams are served at a time; come again",
            )
        self._streams += 1
        try:
            async with contextlib.aclosing(self._attend(requests, context)) as sent:
                async for data in sent:
                    yield data
        finally:
            self._streams -= 1

    async def _attend(self, requests: AsyncIterator[bytes], context: Any) -> AsyncGenerator[bytes]:
        caller = await self._guard.caller(context)
        outbox: Outbox = new_outbox()
        reader = asyncio.ensure_future(self._read(requests, outbox, caller))
        try:
            while (message := await outbox.get()) is not None:
                yield codec.encode_down(message)
        finally:
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reader

    async def _read(self, requests: AsyncIterator[bytes], outbox: Outbox, caller: Caller) -> None:
        node, session = "", -1
        try:
            first = await asyncio.wait_for(anext(requests), REGISTER_S)
            registration = codec.decode_up(first)
            if not isinstance(registration, Register):
                raise Refused("not_registered", "the first message of a stream is Register")
            if not caller.may_be(registration.node_id):
                raise Refused(
                    "wrong_certificate", f"the certificate is of {caller}, not of {registration.node_id}"
                )
            session, effects = self._service.register(registration)
            node = registration.node_id
            self._outboxes.open(node, outbox)
            await self._durability.commit(effects)
            count, before = 0, None
            async for data in requests:
                if caller.is_revoked():
                    raise Refused("revoked", f"the certificate of {node} is revoked; invite the node again")
                try:
                    written = self._durability.submit(self._take(node, session, data, caller))
                except (Refused, codec.ProtocolError) as error:
                    await self._refuse(error, outbox)
                    if isinstance(error, Refused) and error.refusal.code in ("fenced", "stale_boot"):
                        break
                    continue
                count += 1
                if count % UNWRITTEN == 0:
                    if before is not None:
                        await asyncio.shield(before)
                    before = written
        except (Refused, codec.ProtocolError) as error:
            await self._refuse(error, outbox)
        except (TimeoutError, StopAsyncIteration):
            log.info("a stream ended before it registered")
        except aio.UsageError:
            log.info("stream of %s is gone", node or "a node that had not registered")
        finally:
            if node:
                self._service.sessions.close(node, session)
                self._outboxes.close(node, outbox)
            end(outbox)

    def _take(self, node: str, session: int, data: bytes, caller: Caller) -> Effects:
        """Take up one message. Raises Refused, ProtocolError."""
        message: UpMessage = codec.decode_up(data)
        if isinstance(message, Heartbeats):
            for beat in message.beats:
                if not caller.may_be(beat.node_id):
                    raise Refused(
                        "wrong_certificate", f"the certificate is of {caller}, not of {beat.node_id}"
                    )
        if isinstance(message, Refusal):
            log.warning("%s refuses: %s (%s)", node, message.reason, message.code)
        return self._service.receive(node, session, message)

    async def _refuse(self, error: Refused | codec.ProtocolError, outbox: Outbox) -> None:
        if isinstance(error, Refused):
            refusal, alarms, follow = error.refusal, error.alarms, error.follow
        else:
            refusal, alarms, follow = Refusal("malformed", str(error)), (), ()
        log.warning("refused: %s (%s)", refusal.reason, refusal.code)
        await self._durability.commit(Effects(alarms))
        refusal = Refusal(refusal.code, codec.safe_text(refusal.reason))
        for message in (refusal, *follow):
            with contextlib.suppress(asyncio.QueueFull):
                outbox.put_nowait(message)
