"""Answers with another node's cache that are given once more without it: are they the same? What it takes is waste."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from edge_node.language.ask import AskError, Said
from edge_node.language.asked import Asked
from edge_node.language.counted import begun_flop, said_flop
from edge_node.language.node_server import NodeServer
from edge_node.language.server import ServerError
from edge_node.language.shape import Shape
from edge_node.meters.base import Work
from edge_node.meters.pieces import Pieces
from edge_node.workload import Aside
from protos.messages.terms import Stage

log = logging.getLogger(__name__)
COMPARED_EVERY = 16
"""Of the requests that a node answers with another's cache, one in so many is answered a second time, without it; the
first one of a run among them."""


class Comparing:
    """Of one node.

    Args:
        server: The node's, for its CPU time.
        pieces: Windows of the node's meter.
        shape: The model's, for counted operations.
    """

    def __init__(self, server: NodeServer, pieces: Pieces, shape: Shape) -> None:
        self._server, self._pieces, self._shape = server, pieces, shape
        self._answers = 0

    def is_due(self) -> bool:
        """Whether the next answer with another's cache, which this counts, is one to compare."""
        self._answers += 1
        return (self._answers - 1) % COMPARED_EVERY == 0

    def result(
        self, asked: Asked, again: Iterable[tuple[Said, bool]]
    ) -> tuple[bool | None, tuple[Aside, ...]]:
        """(whether all are the same, what finding out took); None: the server did not say.

        Args:
            asked: The request.
            again: Asks the server as it is gone through: what it says, and whether that is the same.
        """
        flop, same, cpu_s = 0.0, True, self._server.cpu_s()
        found: bool | None = None
        self._pieces.begin()
        try:
            for said, is_same in again:
                flop += said_flop(self._shape, said).whole
                same = same and is_same
            found = same
        except (AskError, ServerError) as error:
            log.warning("an answer with another node's cache was not compared: %s", error)
            flop += begun_flop(self._shape, asked, error).whole
        piece = self._pieces.end(Work(Stage.APPLICATION, flop, wasted=True), self._server.cpu_s() - cpu_s)
        return found, (Aside(piece.seconds, piece.compute_j),)
