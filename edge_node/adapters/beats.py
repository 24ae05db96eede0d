"""Heartbeats of the nodes of one process, said together: what costs a coordinator time is the number of messages."""

from __future__ import annotations

import asyncio

import grpc.aio

from edge_node.adapters.stream import Stream, StreamOver, mark_error_read
from protos.messages.stream import Heartbeat, Heartbeats

MOST = 500
"""Heartbeats in a message: with the longest names of nodes that is a fourth of what a message may have."""


class Beats:
    """Heartbeats that fall due within a short time travel as one message, on the stream of one of their nodes.

    A node's heartbeat is in it only if the node asked for it: one whose own work hangs is missing, and its lease ends.
    On the host's loop only.
    """

    def __init__(self) -> None:
        self._gathering: dict[str, _Gathering] = {}
        """By address of the coordinator."""

    async def say(self, coordinator: str, stream: Stream, beat: Heartbeat, gather_s: float) -> None:
        """Say ``beat`` of the node of ``stream`` with those that fall due within ``gather_s``; returns once it is said.

        Raises as ``Stream.say``, where none of their streams takes it.
        """
        gathering = self._gathering.get(coordinator)
        if gathering is None or len(gathering.due) == MOST or gathering.is_closed:
            gathering = self._gathering[coordinator] = _Gathering(gather_s)
        gathering.due.append((stream, beat))
        await asyncio.shield(gathering.said)


class _Gathering:
    """Heartbeats of one message."""

    def __init__(self, gather_s: float) -> None:
        self.due: list[tuple[Stream, Heartbeat]] = []
        self.is_closed = False
        self.said = mark_error_read(asyncio.create_task(self._say(gather_s)))  # no node may wait any more

    async def _say(self, gather_s: float) -> None:
        await asyncio.sleep(gather_s)
        self.is_closed = True
        while True:
            beats = tuple(beat for _, beat in self.due)
            try:
                await self.due[0][0].say(beats[0] if len(beats) == 1 else Heartbeats(beats))
                return
            except (StreamOver, grpc.aio.AioRpcError, asyncio.CancelledError) as error:
                task = asyncio.current_task()
                if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                    raise  # of this task, not of the stream
                # The node of that stream opens a new one; the others' are as good as it was.
                del self.due[0]
                if not self.due:
                    raise StreamOver("none of the nodes' streams is open") from error
