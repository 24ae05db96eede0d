"""A Flower ``Grid`` over nodes that this process can call, with a deadline per round and a count of late
replies.

Flower delivers a message at most once and says nothing of replies that come after the deadline. Here a node
that is gone answers with an error at once, a late reply is taken in, counted and dropped in a later round,
and a message sent again for the same round and node is answered from the first execution (see node_host.py).
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping

from flwr.app import Message, RecordDict
from flwr.serverapp import Grid

from edge_node.adapters.flower_private import Run, bind_identity, empty_run, stamp


class NodeGrid(Grid):
    """Common part of the grids of this testbed.

    Args:
        run_id: Flower's number of the run; the same in every process of a fleet.
        names: Node id by Flower node number.
        clock: Monotonic seconds; injected so that a simulated fleet decides what time is.
    """

    def __init__(
        self, run_id: int, names: Mapping[int, str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        bind_identity(run_id)
        self._run = empty_run(run_id)
        self._clock = clock
        self.names = dict(names)
        self.late_replies = 0
        """Replies that came after their round was over, taken in and dropped."""
        self._overdue: dict[str, int] = {}
        """Node by message that was not answered by its deadline."""

    # --- what a kind of fleet provides ----------------------------------------------------------------------

    @abstractmethod
    def _dispatch(self, messages: list[Message]) -> None:
        """Send stamped messages on their way; do not wait."""

    @abstractmethod
    def _collect(self, message_ids: set[str], wait_s: float | None) -> list[Message]:
        """Replies to some of ``message_ids``; waits for the first at most ``wait_s`` (None: as long as it
        takes).
        """

    @abstractmethod
    def lost_nodes(self) -> set[int]:
        """Flower numbers of nodes whose process is gone."""

    def overdue_nodes(self) -> set[int]:
        """Flower numbers of nodes that did not answer by a deadline, as far as is known: they may be at work still."""
        return set(self._overdue.values())

    # --- Flower's interface ---------------------------------------------------------------------------------

    def set_run(self, run: Run) -> None:
        self._run = run

    @property
    def run(self) -> Run:
        return self._run

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> list[int]:
        """Nodes that live."""
        lost = self.lost_nodes()
        return [number for number in self.names if number not in lost]

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        """Send messages; returns their ids.

        Raises:
            ValueError: a message is addressed to a node that is not of this fleet.
        """
        sent = list(messages)
        for message in sent:
            if (number := message.metadata.dst_node_id) not in self.names:
                raise ValueError(f"no node {number} in this fleet; there are {sorted(self.names)}")
        ids = [stamp(message) for message in sent]
        self._dispatch(sent)
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        """Replies that are there, without waiting."""
        return self._collect(set(message_ids), 0.0)

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> list[Message]:
        """Send messages and wait for the replies, until the deadline.

        Returns:
            Replies in the order of arrival, error replies of lost nodes among them. A node that has not
            answered by the deadline is simply missing, as on every Flower grid.
        """
        end = None if timeout is None else self._clock() + timeout
        sent = list(messages)
        numbers = [message.metadata.dst_node_id for message in sent]
        open_ids = dict(zip(self.push_messages(sent), numbers, strict=True))
        replies: list[Message] = []
        while open_ids:
            wait_s = None if end is None else max(0.0, end - self._clock())
            arrived = self._collect(open_ids.keys() | self._overdue.keys(), wait_s)
            for reply in arrived:
                message_id = reply.metadata.reply_to_message_id
                if message_id in open_ids:
                    del open_ids[message_id]
                    replies.append(reply)
                else:
                    self._overdue.pop(message_id, None)
                    self.late_replies += 1
            if end is not None and self._clock() >= end:
                break
        self._overdue |= open_ids
        return replies
