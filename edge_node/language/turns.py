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
from collections.abc import Sequence
from dataclasses import replace

from edge_node.config import ConversationConfig, LanguageConfig, UserTurn
from edge_node.language.answered import Answering
from edge_node.language.ask import AskError, GoneError, Said
from edge_node.language.asked import Asked, Turn, requests_of, require_answerable
from edge_node.language.conversations import Conversations, Spoken
from edge_node.language.failed import Failing
from edge_node.language.node_server import NodeServer
from edge_node.language.prompt_cache import CacheError, PromptCache, kin_name
from edge_node.language.server import ServerError
from edge_node.language.shape import Shape
from edge_node.language.split import COMPARED_EVERY
from edge_node.meters.base import Work
from edge_node.meters.pieces import Pieces
from edge_node.workload import Arrays, RequestUse
from protos.messages.parcels import HandedPrompt
from protos.messages.slot import Recalled
from protos.messages.terms import RequestPart, Stage

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
        self._continued = 0

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
        said = None
        if part is RequestPart.CONTINUED or part is RequestPart.KEPT:
            cpu_s = self._begin()
            try:
                restore_s, said = self._from_cache(asked, self._cache(prompt, spoken))
            except (AskError, ServerError, CacheError) as error:
                log.warning("a conversation is read again: %s", error)
                if isinstance(error, GoneError):
                    self._server.drop()
                self._pieces.end(Work(Stage.APPLICATION, 0.0, wasted=True), self._server.cpu_s() - cpu_s)
                part = RequestPart.FELL_BACK
        if said is None:
            cpu_s, restore_s = self._begin(), 0.0
            try:
                said = self._whole(asked)
            except (AskError, ServerError) as error:
                return self._failing.use(asked, error, cpu_s, part)
        use = self._answered(asked, said, cpu_s, restore_s, part, 0 if prompt is None else len(prompt.cache))
        if part is not RequestPart.CONTINUED:
            return use
        return replace(use, same=self._compared(asked, said))

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
            raise CacheError(
                f"the server went on after {said.cached_tokens} of {history} tokens and read "
                f"{said.prefilled_tokens}: it did not use the cache"
            )
        return restore_s, said

    def _whole(self, asked: Asked) -> Said:
        require_answerable(asked, self._config.context_tokens)
        return self._server.ready().ask(asked.tokens, asked.answer_tokens, cached=False, with_tokens=True)

    # --- what it took ----------------------------------------------------------------------------------------

    def _answered(
        self, asked: Asked, said: Said, cpu_s: float, restore_s: float, part: RequestPart, cache_bytes: int
    ) -> RequestUse:
        begun_s = time.perf_counter()
        self._keep(asked, said, part)
        use = self._answering.use(
            asked,
            said,
            cpu_s,
            before_s=restore_s,
            after_s=time.perf_counter() - begun_s,
            part=part,
            cache_bytes=cache_bytes,
        )
        return replace(use, answer=said.tokens, answer_bytes=said.text_bytes)

    def _keep(self, asked: Asked, said: Said, part: RequestPart) -> None:
        turn = asked.turn
        assert turn is not None
        try:
            cache = self._server.taken()
        except CacheError as error:
            log.warning("a conversation's cache is not kept: %s", error)
            cache = None
        went_on = part is RequestPart.KEPT or part is RequestPart.CONTINUED
        spoken = Spoken(
            tokens=(*asked.tokens, *said.tokens),
            text_bytes=asked.text_bytes + said.text_bytes,
            read_from=turn.read_from if went_on else turn.turn,
            cache=cache,
        )
        self._here.keep(turn.conversation, turn.turn + 1, spoken)

    def _compared(self, asked: Asked, said: Said) -> bool | None:
        """Whether all answers since the prompt was last read as a whole are the same without the cache, for one turn in
        COMPARED_EVERY; what it takes is waste."""
        self._continued += 1
        if (self._continued - 1) % COMPARED_EVERY:
            return None
        turn, told = asked.turn, self._told
        assert turn is not None
        whole = [*asked.tokens, *said.tokens]
        same: bool | None = True
        flop, cpu_s = 0.0, self._begin()
        try:
            for each in range(turn.read_from, turn.turn + 1):
                prompt, first = told.prompt_tokens(each), each == turn.read_from
                again = self._server.ready().ask(
                    whole[:prompt], told.answer_tokens, cached=not first, with_tokens=True
                )
                flop += self._shape.prefill_flop(again.prefilled_tokens, again.cached_tokens)
                flop += self._shape.decode_flop(prompt, again.tokens_out)
                same = same and list(again.tokens) == whole[prompt : prompt + told.answer_tokens]
        except (AskError, ServerError) as error:
            log.warning("an answer with another node's cache was not compared: %s", error)
            same = None
        self._pieces.end(Work(Stage.APPLICATION, flop, wasted=True), self._server.cpu_s() - cpu_s)
        return same
