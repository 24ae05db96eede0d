"""The Flower grid of a virtual fleet: strategies see the nodes' numbers, and no message goes over it."""

from __future__ import annotations

from flwr.app import Message

from .grid import NodeGrid


class RowGrid(NodeGrid):
    """Nodes that are rows. Strategies are asked for their messages and given the answers (ColumnRounds)."""

    def lost_nodes(self) -> set[int]:
        return set()

    def _dispatch(self, messages: list[Message]) -> None:
        raise RuntimeError(
            'nodes of kind = "virtual" take no messages beside those of a round; for a strategy that sends its own '
            'take fleet.kind = "inprocess" or "ray"'
        )

    def _collect(self, message_ids: set[str], wait_s: float | None) -> list[Message]:
        return []
