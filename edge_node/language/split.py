"""Requests that two nodes share: one reads the prompt, the other answers with its cache.

The node that reads also gives the answer's first token (prompt_cache). The one that answers compares, for a sample of
requests, with the answer that it gives alone; what the comparison takes is waste.
"""

from __future__ import annotations

from collections.abc import Iterator

from carbon_data.units import BITS_PER_BYTE
from edge_node.config import LanguageConfig
from edge_node.language.ask import AskError, Said
from edge_node.language.asked import Asked, require_answerable
from edge_node.language.calibrated import calibrated_cost
from edge_node.language.comparing import Comparing
from edge_node.language.counted import UnusedError
from edge_node.language.failed import Failing
from edge_node.language.node_server import NodeServer
from edge_node.language.prompt_cache import CacheError, PromptCache, kin_name
from edge_node.language.server import ServerError
from edge_node.language.shape import Shape
from edge_node.meters.base import Work
from edge_node.meters.pieces import Pieces
from edge_node.workload import Aside, ReadPrompt, RequestUse, SplitCost
from protos.messages.parcels import HandedPrompt
from protos.messages.terms import RequestPart, Stage

EVENT_BYTES = 170.0
"""Of one streamed token with its framing, for plans (measured: 165 to 175 bytes an event of llama.cpp)."""


PART_OF_CHARACTER = "\ufffd"
"""What a server says for bytes that are no whole character."""


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
        self._failing = Failing(server, pieces, shape, framing_bytes)
        self._comparing = Comparing(server, pieces, shape)

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
            said, cache = self._read(asked)
        except (AskError, ServerError, CacheError) as error:
            return ReadPrompt(self._failing.use(asked, error, cpu_s, RequestPart.READ), None)
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
            first_text=b"" if said.text.endswith(PART_OF_CHARACTER) else said.text.encode(),
            read_s=0.0,
            kin=self._kin(),
            sha256=cache.sha256,
            cache=cache.content,
        )
        return ReadPrompt(use, prompt)

    def write(self, asked: Asked, prompt: HandedPrompt) -> RequestUse | Aside:
        """Answer with the cache of another node; what the attempt took, where nothing is answered."""
        cpu_s = self._server.cpu_s()
        self._pieces.begin()
        try:
            said = self._continued(asked, prompt)
        except (AskError, ServerError, CacheError) as error:
            return self._failing.attempt(asked, error, cpu_s, prompt.tokens)
        tokens_out = 1 + said.tokens_out
        flop = self._shape.decode_flop(prompt.tokens, tokens_out)
        piece = self._pieces.end(Work(Stage.APPLICATION, flop), self._server.cpu_s() - cpu_s)
        same, aside = self._compared(asked, prompt, said)
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
            down_bytes=said.down_bytes + (round(EVENT_BYTES) if prompt.first_text else 0),
            content_bits=BITS_PER_BYTE * (asked.text_bytes + len(prompt.first_text) + said.text_bytes),
            part=RequestPart.WRITE,
            cache_bytes=len(prompt.cache),
            same=same,
            first_at_s=prompt.read_s,
            aside=aside,
        )

    # --- parts -----------------------------------------------------------------------------------------------

    def _kin(self) -> str:
        return kin_name(self._server.kin())

    def _read(self, asked: Asked) -> tuple[Said, PromptCache]:
        require_answerable(asked, self._config.context_tokens)
        if asked.answer_tokens < 2:
            raise AskError("an answer of one token comes out of reading: two nodes cannot share it")
        said = self._server.ready().ask_in_one(asked.tokens, 1)
        try:
            return said, self._server.taken()
        except CacheError as error:
            raise UnusedError(str(error), said) from error

    def _continued(self, asked: Asked, prompt: HandedPrompt) -> Said:
        own = self._server.kin()
        if prompt.kin != kin_name(own):
            raise CacheError(
                f"the cache is of {prompt.kin}, this server is {kin_name(own)}: it would give nothing"
            )
        if prompt.tokens != len(asked.tokens) or asked.answer_tokens < 2:
            raise CacheError(f"the cache has {prompt.tokens} tokens, the prompt {len(asked.tokens)}")
        self._server.put(PromptCache(own, prompt.tokens, prompt.cache, prompt.sha256))
        said = self._server.ready().ask(
            [*asked.tokens, prompt.first_token], asked.answer_tokens - 1, with_tokens=not prompt.first_text
        )
        if (said.cached_tokens, said.prefilled_tokens) != (prompt.tokens, 1):
            raise UnusedError(
                f"the server went on after {said.cached_tokens} of {prompt.tokens} tokens and read "
                f"{said.prefilled_tokens}: it did not use the cache",
                said,
            )
        return said

    def _compared(
        self, asked: Asked, prompt: HandedPrompt, said: Said
    ) -> tuple[bool | None, tuple[Aside, ...]]:
        """(whether the answer alone is the same, what finding out took), of some. It reads all of the prompt."""
        if not self._comparing.is_due():
            return None, ()
        return self._comparing.result(asked, self._alone(asked, prompt, said))

    def _alone(self, asked: Asked, prompt: HandedPrompt, said: Said) -> Iterator[tuple[Said, bool]]:
        """By their texts; where the first token is a part of a character, by the tokens that were told."""
        if prompt.first_text:
            alone = self._server.ready().ask(asked.tokens, asked.answer_tokens, cached=False)
            yield alone, alone.text == prompt.first_text.decode(errors="replace") + said.text
            return
        alone = self._server.ready().ask_in_one(asked.tokens, asked.answer_tokens, cached=False)
        pairs = zip((0, *said.places), (prompt.first_token, *said.tokens), strict=True)
        yield alone, all(alone.tokens[place] == token for place, token in pairs)
