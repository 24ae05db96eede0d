"""Turns of conversations: answered with the cache of the turns before, kept here or brought from the node that the user
has left, or read again.

The server must have restored as many tokens as there are, and read no more than the message; else the conversation is
read again, which is counted (``RequestPart.FELL_BACK``) with what the attempt took as waste. For a sample of the turns
that another node's cache came for, the turns since the prompt was last read as a whole are gone through once more
without it, in the same steps: every answer must be the same. Read in other steps, numbers differ in their last digits,
and with them some greedy answers.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from edge_node.config import ConversationConfig, LanguageConfig, UserTurn
from edge_node.language.answered import Answering
from edge_node.language.ask import AskError, Said
from edge_node.language.asked import Asked, Turn, requests_of, require_answerable
from edge_node.language.comparing import Comparing
from edge_node.language.conversations import Conversations, Spoken
from edge_node.language.counted import UnusedError
from edge_node.language.failed import Failing
from edge_node.language.node_server import NodeServer
from edge_node.language.prompt_cache import CacheError, PromptCache, kin_name
from edge_node.language.server import ServerError
from edge_node.language.shape import Shape
from edge_node.language.untold import whole_answer
from edge_node.meters.pieces import Pieces
from edge_node.workload import Arrays, Aside, RequestUse
from protos.messages.parcels import HandedPrompt
from protos.messages.slot import Recalled
from protos.messages.terms import RequestPart

log = logging.getLogger(__name__)
NO_CACHE = hashlib.sha256(b"").hexdigest()


class TurnRequests:
    """One node's part in conversations.

    Args:
        config: The model.
        told: The conversations.
        seed: The run's.
        server: The node's server.
        pieces: Windows of the node's meter, one a request.
        framing_bytes: Of a request beside its text.
    """

    def __init__(
        self,
        config: LanguageConfig,
        told: ConversationConfig,
        seed: int,
        server: NodeServer,
        pieces: Pieces,
        framing_bytes: int,
    ) -> None:
        self._config, self._told, self._server, self._pieces = config, told, server, pieces
        self._shape = Shape(config.block_parameters, config.output_parameters, config.attention_width)
        self._here = Conversations(told, seed, config.shared_tokens, config.longest_tokens, server.corpus)
        self._answering = Answering(server, pieces, self._shape, framing_bytes)
        self._failing = Failing(server, pieces, self._shape, framing_bytes)
        self._comparing = Comparing(server, pieces, self._shape)

    def batch(self, number: int) -> Arrays:
        """The own batch ``number``: one turn. Raises ServerError."""
        return self._here.batch(number)

    def recall(self, turns: Sequence[Recalled]) -> None:
        """Take up what the ledger has of conversations that are not here."""
        self._here.recall(turns)

    def handed(self, asked: Asked) -> HandedPrompt:
        """The cache of the turns before, as it leaves for the node that the user is at now; without content where
        there is none: that node then reads the conversation again."""
        turn = asked.turn
        spoken = None if turn is None else self._here.before(turn.conversation, turn.turn)
        cache = None if spoken is None else spoken.cache
        if cache is None:
            log.warning("a conversation has no cache here: the next node reads it again")
        return HandedPrompt(
            batch_id=0,
            place=0,
            tokens=0 if cache is None else cache.tokens,
            first_token=0,
            first_text=b"",
            read_s=0.0,
            kin=kin_name(self._server.kin()),
            sha256=NO_CACHE if cache is None else cache.sha256,
            cache=b"" if cache is None else cache.content,
        )

    def answer(self, asked: Asked, prompt: HandedPrompt | None) -> RequestUse:
        """Answer a turn, and keep the conversation for the next one. ``prompt``: what came with it."""
        turn = asked.turn
        assert turn is not None  # it is one
        spoken = self._here.before(turn.conversation, turn.turn)
        if spoken is not None and not turn.known:
            # The turn before was asked again and answered since its batch was made.
            asked, prompt = self._made_again(turn), None
            turn = asked.turn
            assert turn is not None
        part = self._part(turn, prompt, spoken)
        said, aside = None, tuple[Aside, ...]()
        if part is RequestPart.CONTINUED or part is RequestPart.KEPT:
            cpu_s = self._begin()
            try:
                restore_s, said = self._from_cache(asked, self._cache(prompt, spoken))
            except (AskError, ServerError, CacheError) as error:
                aside += (self._failing.attempt(asked, error, cpu_s, self._told.history_tokens(turn.turn)),)
                part = RequestPart.FELL_BACK
        if said is None:
            cpu_s, restore_s = self._begin(), 0.0
            try:
                said = self._whole(asked)
            except (AskError, ServerError) as error:
                return replace(self._failing.use(asked, error, cpu_s, part), aside=aside)
        cache_bytes = 0 if prompt is None else len(prompt.cache)
        said, use = self._answered(asked, said, cpu_s, restore_s, part, cache_bytes)
        same = None
        if part is RequestPart.CONTINUED:
            same, more = self._compared(asked, said)
            aside += more
        return replace(use, same=same, aside=aside)

    def _made_again(self, turn: Turn) -> Asked:
        """The same turn, by what is known now."""
        which = UserTurn(conversation=turn.conversation, turn=turn.turn, at="here")
        (asked,) = requests_of(self._here.made(which))
        return asked

    # --- which way -------------------------------------------------------------------------------------------

    def _part(self, turn: Turn, prompt: HandedPrompt | None, spoken: Spoken | None) -> RequestPart:
        if not turn.turn:
            return RequestPart.WHOLE
        if not turn.known:
            return RequestPart.LOST
        if prompt is not None and prompt.cache:
            return RequestPart.CONTINUED
        if turn.recalled:
            return RequestPart.RECALLED
        if prompt is not None:
            return RequestPart.FELL_BACK
        if spoken is None:
            return RequestPart.READ_AGAIN
        return RequestPart.FELL_BACK if spoken.cache is None else RequestPart.KEPT

    def _cache(self, prompt: HandedPrompt | None, spoken: Spoken | None) -> PromptCache:
        """Raises CacheError for one of another kind of server."""
        own = self._server.kin()
        if prompt is None:
            assert spoken is not None  # the turn is kept
            assert spoken.cache is not None
            return spoken.cache
        if prompt.kin != kin_name(own):
            raise CacheError(
                f"the cache is of {prompt.kin}, this server is {kin_name(own)}: it would give nothing"
            )
        return PromptCache(own, prompt.tokens, prompt.cache, prompt.sha256)

    # --- the server ------------------------------------------------------------------------------------------

    def _begin(self) -> float:
        cpu_s = self._server.cpu_s()
        self._pieces.begin()
        return cpu_s

    def _from_cache(self, asked: Asked, cache: PromptCache) -> tuple[float, Said]:
        """(wall seconds of restoring, the answer)."""
        assert asked.turn is not None
        begun_s, history = time.perf_counter(), self._told.history_tokens(asked.turn.turn)
        require_answerable(asked, self._config.context_tokens)
        if cache.tokens != history:
            raise CacheError(f"the cache has {cache.tokens} tokens, the turns before have {history}")
        self._server.put(cache)
        restore_s = time.perf_counter() - begun_s
        said = self._server.ready().ask(asked.tokens, asked.answer_tokens, with_tokens=True)
        if (said.cached_tokens, said.prefilled_tokens) != (history, len(asked.tokens) - history):
            raise UnusedError(
                f"the server went on after {said.cached_tokens} of {history} tokens and read "
                f"{said.prefilled_tokens}: it did not use the cache",
                said,
            )
        return restore_s, said

    def _whole(self, asked: Asked) -> Said:
        require_answerable(asked, self._config.context_tokens)
        return self._server.ready().ask(asked.tokens, asked.answer_tokens, cached=False, with_tokens=True)

    # --- what it took ----------------------------------------------------------------------------------------

    def _answered(
        self, asked: Asked, said: Said, cpu_s: float, restore_s: float, part: RequestPart, cache_bytes: int
    ) -> tuple[Said, RequestUse]:
        """(the answer with all of its tokens, where they are known; what it took)."""
        begun_s = time.perf_counter()
        said, again = self._kept(asked, said, part)
        use = self._answering.use(
            asked,
            said,
            cpu_s,
            again=again,
            before_s=restore_s,
            after_s=time.perf_counter() - begun_s,
            part=part,
            cache_bytes=cache_bytes,
        )
        return said, replace(use, answer=said.tokens, answer_bytes=said.text_bytes)

    def _kept(self, asked: Asked, said: Said, part: RequestPart) -> tuple[Said, Said | None]:
        """Keep the conversation with the answer. Returns as ``whole_answer``, where its tokens are known."""
        turn = asked.turn
        assert turn is not None
        cache, again = None, None
        try:
            cache = self._server.taken()
            said, again = whole_answer(self._server, asked.tokens, said, cache)
        except (CacheError, AskError, ServerError) as error:
            log.warning("a conversation's cache, or its answer's tokens, are not kept: %s", error)
        if len(said.tokens) != said.tokens_out:
            self._here.forget(turn.conversation)
            return said, again
        went_on = part is RequestPart.KEPT or part is RequestPart.CONTINUED
        spoken = Spoken(
            tokens=(*asked.tokens, *said.tokens),
            text_bytes=asked.text_bytes + said.text_bytes,
            read_from=turn.read_from if went_on else turn.turn,
            cache=cache,
        )
        self._here.keep(turn.conversation, turn.turn + 1, spoken)
        return said, again

    def _compared(self, asked: Asked, said: Said) -> tuple[bool | None, tuple[Aside, ...]]:
        """(whether all answers since the prompt was last read as a whole are the same without the cache, what finding
        out took), of some."""
        if not self._comparing.is_due() or len(said.tokens) != said.tokens_out:
            return None, ()
        assert asked.turn is not None
        return self._comparing.result(asked, self._again(asked.turn, [*asked.tokens, *said.tokens]))

    def _again(self, turn: Turn, whole: Sequence[int]) -> Iterator[tuple[Said, bool]]:
        """Answers in the same steps. Tokens within a character are not compared: none of the two tells them."""
        told = self._told
        for each in range(turn.read_from, turn.turn + 1):
            prompt, first = told.prompt_tokens(each), each == turn.read_from
            said = self._server.ready().ask(
                whole[:prompt], told.answer_tokens, cached=not first, with_tokens=True
            )
            pairs = zip(said.places, said.tokens, strict=True)
            yield said, all(whole[prompt + place - 1] == token for place, token in pairs)
