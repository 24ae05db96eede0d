"""Requests that a server answers at the same time, each in a slot of its own.

They share one window of the node's meter: a step of writing gives a token to each of them. Its joules are divided by
the cost model of the node's board, where it was calibrated, else by counted operations, and add up to the window's.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

from carbon_data.units import BITS_PER_BYTE
from edge_node.config import LanguageConfig
from edge_node.language.ask import AskError, GoneError, Said
from edge_node.language.asked import Asked
from edge_node.language.counted import ReadWrite, begun_flop, said_flop
from edge_node.language.node_server import NodeServer
from edge_node.language.server import ServerError
from edge_node.language.shape import Shape
from edge_node.language.step_cost import answer_cost, prefill_cost
from edge_node.meters.base import Work
from edge_node.meters.pieces import Piece, Pieces
from edge_node.workload import RequestUse, Together
from protos.messages.terms import Stage

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one of the requests."""

    asked: Asked
    said: Said | None
    """None: it was not answered."""
    error: Exception | None = None
    """Why not."""

    @property
    def begun(self) -> bool:
        """Whether the server worked on it."""
        return self.said is not None or isinstance(self.error, GoneError)

    @property
    def tokens_out(self) -> int:
        """Also of one that failed."""
        if self.said is not None:
            return self.said.tokens_out
        return self.error.tokens_out if isinstance(self.error, AskError) else 0

    @property
    def down_bytes(self) -> int:
        if self.said is not None:
            return self.said.down_bytes
        return self.error.down_bytes if isinstance(self.error, AskError) else 0

    @property
    def failed(self) -> str:
        """Why it was not answered; empty: it was."""
        return "" if self.error is None else str(self.error) or type(self.error).__name__


class AtOnce:
    """Of one node.

    Args:
        config: The model, the slots of its server, and perhaps its calibrated costs.
        server: The node's server.
        pieces: Windows of the node's meter.
        shape: The model's, for counted operations.
        framing_bytes: Of a request beside its text.
    """

    def __init__(
        self, config: LanguageConfig, server: NodeServer, pieces: Pieces, shape: Shape, framing_bytes: int
    ) -> None:
        self._config, self._server, self._pieces = config, server, pieces
        self._shape, self._framing_bytes = shape, framing_bytes

    def answer(self, asked_for: Sequence[Asked], group: int) -> list[RequestUse]:
        """Answer them, at most as many as the server has slots; ``group``: their number within the batch. Where the
        server dies, those that it had not answered have failed."""
        cpu_s = self._server.cpu_s()
        self._pieces.begin()
        begun_s = time.perf_counter()
        outcomes = self._outcomes(asked_for)
        wall_s = time.perf_counter() - begun_s
        flop = [self._flop(one) for one in outcomes]
        weights = [self._weight(one, each, len(outcomes)) for one, each in zip(outcomes, flop, strict=True)]
        total = sum(weight.whole for weight in weights)
        shares = [weight.whole / total if total else 1.0 / len(weights) for weight in weights]
        lost = sum(share for share, one in zip(shares, outcomes, strict=True) if one.said is None)
        work = Work(
            Stage.APPLICATION,
            sum(each.whole for each in flop),
            wasted=all(one.said is None for one in outcomes),
            wasted_fraction=lost,
        )
        piece = self._pieces.end(work, min(self._server.cpu_s() - cpu_s, wall_s))
        if any(one.begun and one.said is None for one in outcomes):
            self._server.drop()  # the next request gets another
        of_reading = sum(weight.read for weight in weights) / total if total else 1.0
        return [
            self._use(one, piece, each, weight, share, self._when(one, wall_s, group, of_reading))
            for one, each, weight, share in zip(outcomes, flop, weights, shares, strict=True)
        ]

    # --- parts -----------------------------------------------------------------------------------------------

    def _outcomes(self, asked_for: Sequence[Asked]) -> list[Outcome]:
        """All are sent before the first is listened to: what the others say waits in their connections."""
        try:
            askers = self._server.ready_for(len(asked_for))
        except ServerError as error:
            return [_failed(asked, error) for asked in asked_for]
        errors: dict[int, AskError] = {}
        for slot, (asker, asked) in enumerate(zip(askers, asked_for, strict=True)):
            try:
                asker.begin(asked.tokens, asked.answer_tokens, slot=slot)
            except AskError as error:
                errors[slot] = error
        found = []
        for slot, (asker, asked) in enumerate(zip(askers, asked_for, strict=True)):
            try:
                if slot in errors:
                    raise errors[slot]
                found.append(Outcome(asked, asker.finish()))
            except AskError as error:
                found.append(_failed(asked, error))
        return found

    def _flop(self, one: Outcome) -> ReadWrite:
        """Counted operations."""
        if one.said is not None:
            return said_flop(self._shape, one.said)
        assert one.error is not None  # else it was answered
        return begun_flop(self._shape, one.asked, one.error)

    def _weight(self, one: Outcome, flop: ReadWrite, together: int) -> ReadWrite:
        """Joules by the calibrated cost model, a step's fixed part divided among those ``together``; or operations."""
        costs = self._config.costs
        if costs is None or not one.begun:
            return flop
        cached = 0 if one.said is None else one.said.cached_tokens
        prompt = len(one.asked.tokens)
        read = prefill_cost(costs.prefill_j, prompt)
        if cached:
            read -= prefill_cost(costs.prefill_j, cached) - costs.prefill_j[0]
        write = 0.0
        if one.tokens_out > 1:
            write = answer_cost(costs.step_j, together, prompt, one.tokens_out - 1) / together
        return ReadWrite(max(0.0, read), max(0.0, write))

    def _when(self, one: Outcome, wall_s: float, group: int, of_reading: float) -> Together:
        """By the server's own timings. Under a meter that counts, all prompts are read first, and all answers end
        together."""
        said = one.said
        if said is None or not self._pieces.times or wall_s <= 0:
            return Together(group, of_reading, 1.0)
        first = min(1.0, said.prompt_s / wall_s)
        return Together(group, first, max(first, min(1.0, (said.prompt_s + said.predicted_s) / wall_s)))

    def _use(
        self, one: Outcome, piece: Piece, flop: ReadWrite, weight: ReadWrite, share: float, when: Together
    ) -> RequestUse:
        said, asked = one.said, one.asked
        text_bytes = 0 if said is None else asked.text_bytes + said.text_bytes
        return RequestUse(
            cached_tokens=0 if said is None else said.cached_tokens,
            prefilled_tokens=0 if said is None else said.prefilled_tokens,
            tokens_out=0 if said is None else said.tokens_out,
            seconds=share * piece.seconds,
            prefill_fraction=weight.read / weight.whole if said is not None and weight.whole else 1.0,
            first_s=when.first_fraction * piece.seconds,
            compute_j=None if piece.compute_j is None else share * piece.compute_j,
            half_width_j=None if piece.half_width_j is None else share * piece.half_width_j,
            flop=flop.whole,
            decode_flop=flop.write,
            up_bytes=asked.text_bytes + self._framing_bytes,
            down_bytes=one.down_bytes,
            content_bits=BITS_PER_BYTE * text_bytes,
            failed=one.failed,
            together=when,
        )


def _failed(asked: Asked, error: Exception) -> Outcome:
    log.warning("a request failed: %s", error)
    return Outcome(asked, None, error)
