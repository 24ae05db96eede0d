"""Requests that two nodes share: one reads the prompt, the other answers with its cache.

The node that reads also gives the answer's first token (prompt_cache). The one that answers compares, for a sample of
requests, with the answer that it gives alone; what the comparison takes is waste.
"""

from __future__ import annotations

import logging

from carbon_data.units import BITS_PER_BYTE
from edge_node.config import LanguageConfig
from edge_node.language.ask import AskError, Said
from edge_node.language.asked import Asked, require_answerable
from edge_node.language.calibrated import calibrated_cost
from edge_node.language.failed import failed_use
from edge_node.language.node_server import NodeServer
from edge_node.language.prompt_cache import CacheError, PromptCache, kin_name
from edge_node.language.server import ServerError
from edge_node.language.shape import Shape
from edge_node.meters.base import Work
from edge_node.meters.pieces import Pieces
from edge_node.workload import ReadPrompt, RequestUse, SplitCost
from protos.messages.parcels import HandedPrompt
from protos.messages.terms import RequestPart, Stage

log = logging.getLogger(__name__)
EVENT_BYTES = 170.0
"""Of one streamed token with its framing, for plans (measured: 165 to 175 bytes an event of llama.cpp)."""
COMPARED_EVERY = 16
"""Of the requests that a node answers with another's cache, one in so many is answered a second time, without it; the
first one of a run among them."""


class SplitRequests:
    """One node's part in them.

    Args:
        config: The model and the lengths of requests.
        server: The node's server.
        pieces: Windows of the node's meter, one a request.
        shape: The model's, for counted operations.
        framing_bytes: Of a request beside its text.
    """

    def __init__(
        self, config: LanguageConfig, server: NodeServer, pieces: Pieces, shape: Shape, framing_bytes: int
    ) -> None:
        self._config, self._server, self._pieces = config, server, pieces
        self._shape, self._framing_bytes = shape, framing_bytes
        self._written = 0

    def cost(self, prompt_tokens: int, requests: int) -> SplitCost | None:
        """Of a batch of ``requests``; None where the cache's size is not known."""
        per_token = self._config.cache_bytes_per_token
        if not per_token:
            return None
        read_flop = self._shape.prefill_flop(prompt_tokens)
        measured = calibrated_cost(self._config.costs, prompt_tokens, 1, requests)
        return SplitCost(requests * read_flop, requests * prompt_tokens * per_token, self._kin(), measured)

    def read(self, asked: Asked) -> ReadPrompt:
        """Read a prompt for another node."""
        cpu_s = self._server.cpu_s()
        self._pieces.begin()
        try:
            require_answerable(asked, self._config.context_tokens)
            if asked.answer_tokens < 2:
                raise AskError("an answer of one token comes out of reading: two nodes cannot share it")
            said = self._server.ready().ask(asked.tokens, 1, with_tokens=True)
            cache = self._server.taken()
        except (AskError, ServerError, CacheError) as error:
            log.warning("a prompt was not read for another node: %s", error)
            piece = self._pieces.end(Work(Stage.APPLICATION, 0.0, wasted=True), self._server.cpu_s() - cpu_s)
            return ReadPrompt(failed_use(error, piece, part=RequestPart.READ), None)
        flop = self._shape.prefill_flop(said.prefilled_tokens, said.cached_tokens)
        piece = self._pieces.end(Work(Stage.APPLICATION, flop), self._server.cpu_s() - cpu_s)
        use = RequestUse(
            cached_tokens=said.cached_tokens,
            prefilled_tokens=said.prefilled_tokens,
            tokens_out=0,
            seconds=piece.seconds,
            prefill_fraction=1.0,
            first_s=piece.seconds,
            compute_j=piece.compute_j,
            half_width_j=piece.half_width_j,
            flop=flop,
            decode_flop=0.0,
            up_bytes=0,
            down_bytes=0,
            content_bits=0,
            part=RequestPart.READ,
            cache_bytes=len(cache.content),
        )
        prompt = HandedPrompt(
            batch_id=0,
            place=0,
            tokens=cache.tokens,
            first_token=said.tokens[0],
            first_text=said.text.encode(),
            read_s=0.0,
            kin=self._kin(),
            sha256=cache.sha256,
            cache=cache.content,
        )
        return ReadPrompt(use, prompt)

    def write(self, asked: Asked, prompt: HandedPrompt) -> RequestUse | None:
        """Answer with the cache of another node; None where that cannot be: nothing is answered then."""
        cpu_s = self._server.cpu_s()
        self._pieces.begin()
        try:
            said = self._continued(asked, prompt)
        except (AskError, ServerError, CacheError) as error:
            log.warning("the prompt is read again: %s", error)
            self._pieces.end(Work(Stage.APPLICATION, 0.0, wasted=True), self._server.cpu_s() - cpu_s)
            return None
        tokens_out = 1 + said.tokens_out
        flop = self._shape.decode_flop(prompt.tokens, tokens_out)
        piece = self._pieces.end(Work(Stage.APPLICATION, flop), self._server.cpu_s() - cpu_s)
        return RequestUse(
            cached_tokens=prompt.tokens,
            prefilled_tokens=0,
            tokens_out=tokens_out,
            seconds=piece.seconds,
            prefill_fraction=0.0,
            first_s=0.0,
            compute_j=piece.compute_j,
            half_width_j=piece.half_width_j,
            flop=flop,
            decode_flop=flop,
            up_bytes=asked.text_bytes + self._framing_bytes,
            down_bytes=said.down_bytes + round(EVENT_BYTES),
            content_bits=BITS_PER_BYTE * (asked.text_bytes + len(prompt.first_text) + said.text_bytes),
            part=RequestPart.WRITE,
            cache_bytes=len(prompt.cache),
            same=self._compared(asked, prompt.first_text.decode(errors="replace") + said.text),
            first_at_s=prompt.read_s,
        )

    # --- parts -----------------------------------------------------------------------------------------------

    def _kin(self) -> str:
        return kin_name(self._server.kin())

    def _continued(self, asked: Asked, prompt: HandedPrompt) -> Said:
        own = self._server.kin()
        if prompt.kin != kin_name(own):
            raise CacheError(
                f"the cache is of {prompt.kin}, this server is {kin_name(own)}: it would give nothing"
            )
        if prompt.tokens != len(asked.tokens) or asked.answer_tokens < 2:
            raise CacheError(f"the cache has {prompt.tokens} tokens, the prompt {len(asked.tokens)}")
        self._server.put(PromptCache(own, prompt.tokens, prompt.cache, prompt.sha256))
        said = self._server.ready().ask([*asked.tokens, prompt.first_token], asked.answer_tokens - 1)
        if (said.cached_tokens, said.prefilled_tokens) != (prompt.tokens, 1):
            raise CacheError(
                f"the server went on after {said.cached_tokens} of {prompt.tokens} tokens and read "
                f"{said.prefilled_tokens}: it did not use the cache"
            )
        return said

    def _compared(self, asked: Asked, text: str) -> bool | None:
        """Whether the answer alone is the same, for one request in COMPARED_EVERY. It reads all of the prompt."""
        self._written += 1
        if (self._written - 1) % COMPARED_EVERY:
            return None
        cpu_s = self._server.cpu_s()
        self._pieces.begin()
        flop = self._shape.prefill_flop(len(asked.tokens))
        flop += self._shape.decode_flop(len(asked.tokens), asked.answer_tokens)
        try:
            alone = self._server.ready().ask(asked.tokens, asked.answer_tokens, cached=False).text
        except (AskError, ServerError) as error:
            log.warning("an answer with another node's cache was not compared: %s", error)
            alone = None
        self._pieces.end(Work(Stage.APPLICATION, flop, wasted=True), self._server.cpu_s() - cpu_s)
        return None if alone is None else alone == text
