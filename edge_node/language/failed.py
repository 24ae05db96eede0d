"""Requests that were not answered, and attempts with a cache that came to nothing: what they took is waste."""

from __future__ import annotations

import logging

from edge_node.language.ask import AskError, GoneError
from edge_node.language.asked import Asked
from edge_node.language.counted import begun_flop
from edge_node.language.node_server import NodeServer
from edge_node.language.shape import Shape
from edge_node.meters.base import Work
from edge_node.meters.pieces import Piece, Pieces
from edge_node.workload import Aside, RequestUse
from protos.messages.terms import RequestPart, Stage

log = logging.getLogger(__name__)


class Failing:
    """Ends the meter's window of a request, or of an attempt, that failed.

    Args:
        server: The node's; one that went away is dropped, and the next request gets another.
        pieces: Windows of the node's meter.
        shape: The model's, for counted operations.
        framing_bytes: Of a request beside its text.
    """

    def __init__(self, server: NodeServer, pieces: Pieces, shape: Shape, framing_bytes: int) -> None:
        self._server, self._pieces, self._shape = server, pieces, shape
        self._framing_bytes = framing_bytes

    def use(
        self, asked: Asked, error: Exception, cpu_s: float, part: RequestPart = RequestPart.WHOLE
    ) -> RequestUse:
        """Of ``asked``, whose window began at ``cpu_s`` of the server. A prompt that is read for another node has no
        bytes of its user."""
        log.warning("a request failed: %s", error)
        flop = begun_flop(self._shape, asked, error)
        piece = self._wasted(flop.whole, error, cpu_s)
        up_bytes = 0 if part is RequestPart.READ else asked.text_bytes + self._framing_bytes
        return failed_use(error, piece, flop=flop.whole, decode_flop=flop.write, up_bytes=up_bytes, part=part)

    def attempt(self, asked: Asked, error: Exception, cpu_s: float, cached: int = 0) -> Aside:
        """Of an attempt to go on from a cache of ``cached`` tokens, whose window began at ``cpu_s``."""
        log.warning("a prompt is read again: %s", error)
        piece = self._wasted(begun_flop(self._shape, asked, error, cached).whole, error, cpu_s)
        return Aside(piece.seconds, piece.compute_j)

    def _wasted(self, flop: float, error: Exception, cpu_s: float) -> Piece:
        spent_s = self._server.cpu_s() - cpu_s
        piece = self._pieces.end(Work(Stage.APPLICATION, flop, wasted=True), spent_s)
        if isinstance(error, GoneError):
            self._server.drop()
        return piece


def failed_use(
    error: Exception,
    piece: Piece,
    *,
    flop: float = 0.0,
    decode_flop: float = 0.0,
    up_bytes: int = 0,
    part: RequestPart = RequestPart.WHOLE,
) -> RequestUse:
    """Of a request that was not answered: no tokens, all of ``piece`` before the first one."""
    return RequestUse(
        cached_tokens=0,
        prefilled_tokens=0,
        tokens_out=0,
        seconds=piece.seconds,
        prefill_fraction=1.0,
        first_s=piece.seconds,
        compute_j=piece.compute_j,
        half_width_j=piece.half_width_j,
        flop=flop,
        decode_flop=decode_flop,
        up_bytes=up_bytes,
        down_bytes=error.down_bytes if isinstance(error, AskError) and up_bytes else 0,
        content_bits=0,
        failed=str(error) or type(error).__name__,
        part=part,
    )
