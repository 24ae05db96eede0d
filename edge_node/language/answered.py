"""Requests that were answered: what reading and writing took, by the server's own timings."""

from __future__ import annotations

from dataclasses import replace

from carbon_data.units import BITS_PER_BYTE
from edge_node.language.ask import Said
from edge_node.language.asked import Asked
from edge_node.language.counted import said_flop
from edge_node.language.node_server import NodeServer
from edge_node.language.shape import Shape
from edge_node.meters.base import Work
from edge_node.meters.pieces import Pieces
from edge_node.workload import RequestUse
from protos.messages.terms import RequestPart, Stage


class Answering:
    """Ends the meter's window of a request that was answered alone.

    Args:
        server: The node's, for its CPU time.
        pieces: Windows of the node's meter.
        shape: The model's, for counted operations.
        framing_bytes: Of a request beside its text.
    """

    def __init__(self, server: NodeServer, pieces: Pieces, shape: Shape, framing_bytes: int) -> None:
        self._server, self._pieces, self._shape = server, pieces, shape
        self._framing_bytes = framing_bytes

    def use(
        self,
        asked: Asked,
        said: Said,
        cpu_s: float,
        *,
        before_s: float = 0.0,
        after_s: float = 0.0,
        part: RequestPart = RequestPart.WHOLE,
        cache_bytes: int = 0,
        again: Said | None = None,
    ) -> RequestUse:
        """Of ``asked``, whose window began at ``cpu_s`` of the server. ``before_s``, ``after_s``: wall seconds of the
        window in which the server did something else for it, such as restoring a cache and keeping it. ``again``: what
        it said in that time when it was asked for the last token once more; its operations are of writing."""
        wall_s = before_s + said.duration_s + after_s
        flop = said_flop(self._shape, said)
        if again is not None:
            flop = replace(flop, write=flop.write + said_flop(self._shape, again).whole)
        seconds = min(self._server.cpu_s() - cpu_s, wall_s)
        piece = self._pieces.end(Work(Stage.APPLICATION, flop.whole), seconds)
        timed_s = said.prompt_s + said.predicted_s
        by_time = self._pieces.times and timed_s > 0
        fraction = said.prompt_s / timed_s if by_time else flop.read / flop.whole
        first = (before_s + said.first_s) / wall_s if by_time else fraction
        return RequestUse(
            cached_tokens=said.cached_tokens,
            prefilled_tokens=said.prefilled_tokens,
            tokens_out=said.tokens_out,
            seconds=piece.seconds,
            prefill_fraction=fraction,
            first_s=first * piece.seconds,
            compute_j=piece.compute_j,
            half_width_j=piece.half_width_j,
            flop=flop.whole,
            decode_flop=flop.write,
            up_bytes=asked.text_bytes + self._framing_bytes,
            down_bytes=said.down_bytes,
            content_bits=BITS_PER_BYTE * (asked.text_bytes + said.text_bytes),
            part=part,
            cache_bytes=cache_bytes,
        )
