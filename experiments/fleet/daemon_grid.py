"""The Flower grid of a fleet of daemons: messages are letters to boards."""

from __future__ import annotations

from collections.abc import Mapping

from flwr.app import Message

from edge_node.adapters.flower_letter import from_letter, to_letter
from edge_node.adapters.flower_private import error_reply
from protos.flower_names import CLIENT_APP_RAISED, NODE_UNAVAILABLE

from .board_port import BoardPort
from .grid import NodeGrid

POLL_S = 0.2
"""Between looks at how long boards have been silent."""


class DaemonGrid(NodeGrid):
    """Messages to nodes on boards.

    Args:
        run_id: Flower's number of the run.
        names: Node id by Flower number.
        port: Where the boards are.
        session: Of the run.
        lost_after_s: A board that is silent for longer gets no messages, and owes no answers, until it is back.
    """

    def __init__(
        self, run_id: int, names: Mapping[int, str], port: BoardPort, session: str, lost_after_s: float
    ) -> None:
        super().__init__(run_id, names, port.clock)
        self._port, self._session, self._lost_after_s = port, session, lost_after_s
        self._pending: dict[str, Message] = {}
        self._ready: dict[str, Message] = {}

    def lost_nodes(self) -> set[int]:
        with self._port.changed:
            return {number for number, name in self.names.items() if self._why_lost(name)}

    def _why_lost(self, name: str) -> str:
        """Empty: it is there. Called with the port's lock held."""
        board = self._port.boards[name]
        if (silent_s := self._port.silent_s(name)) > self._lost_after_s:
            return f"its board has been silent for {silent_s:.0f} s"
        if board.hosting is None or board.hosting.session != self._session:
            return "" if self._is_coming(name) else "its board hosts no node of this run"
        return f"its board hosts no node: {board.hosting.failure}" if board.hosting.failure else ""

    def _is_coming(self, name: str) -> bool:
        """A cut that is not over yet: the process that hosts the node has not been heard to be another."""
        board = self._port.boards[name]
        return board.present is not None and board.present.session == self._session

    def _dispatch(self, messages: list[Message]) -> None:
        for message in messages:
            message_id, name = message.metadata.message_id, self.names[message.metadata.dst_node_id]
            with self._port.changed:
                why = self._why_lost(name)
            if why:
                self._ready[message_id] = error_reply(message, NODE_UNAVAILABLE, f"{name}: {why}")
                continue
            self._pending[message_id] = message
            self._port.send(name, message_id, to_letter(message))

    def _collect(self, message_ids: set[str], wait_s: float | None) -> list[Message]:
        end = None if wait_s is None else self._clock() + wait_s
        with self._port.changed:
            while True:
                self._gather(message_ids & self._pending.keys())
                if found := [i for i in self._ready if i in message_ids]:
                    return [self._ready.pop(message_id) for message_id in found]
                left = POLL_S if end is None else min(POLL_S, end - self._clock())
                if left <= 0 or not message_ids & self._pending.keys():
                    return []
                self._port.changed.wait(left)

    def _gather(self, message_ids: set[str]) -> None:
        """Make replies of the answers that are there, and of boards that are lost."""
        for message_id in message_ids:
            message = self._pending[message_id]
            name = self.names[message.metadata.dst_node_id]
            if message_id in self._port.answers:
                content = self._port.answers.pop(message_id)
                self._ready[message_id] = self._reply(message, name, content)
            elif why := self._why_lost(name):
                self._port.withdraw(name, message_id)
                self._ready[message_id] = error_reply(message, NODE_UNAVAILABLE, f"{name}: {why}")
            else:
                continue
            del self._pending[message_id]

    def _reply(self, message: Message, name: str, content: bytearray | None) -> Message:
        if content is None:
            return error_reply(message, NODE_UNAVAILABLE, f"{name}: its daemon was started again")
        try:
            reply = from_letter(content)
        except ValueError as error:
            return error_reply(message, CLIENT_APP_RAISED, f"{name}: its answer cannot be read: {error}")
        told, asked = reply.metadata, message.metadata
        if (told.src_node_id, told.reply_to_message_id) != (asked.dst_node_id, asked.message_id):
            return error_reply(message, CLIENT_APP_RAISED, f"{name}: its answer is to another message")
        return reply
