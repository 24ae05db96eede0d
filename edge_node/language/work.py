"""The Workload of a node that serves a language model: batches of prompts, answered one by one or some at a time.

Nothing is learned: the model's file is on the node, and no parameters travel. A request that cannot be answered is
counted as failed, with what it took, and the next one goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from edge_node.config import LanguageConfig
from edge_node.language.answered import Answering
from edge_node.language.ask import AskError, Said, framing_bytes
from edge_node.language.asked import TURN, Asked, requests_of, require_answerable
from edge_node.language.at_once import AtOnce
from edge_node.language.calibrated import calibrated_cost
from edge_node.language.failed import Failing
from edge_node.language.node_server import NodeServer
from edge_node.language.prompts import BYTES_PER_TOKEN, LENGTHS, TEXT_BYTES, batch_of
from edge_node.language.server import ServerError
from edge_node.language.shape import Shape
from edge_node.language.split import EVENT_BYTES, SplitRequests
from edge_node.language.turns import TurnRequests
from edge_node.meters.pieces import Pieces
from edge_node.workload import (
    HANDED,
    Arrays,
    InferResult,
    Parameters,
    ReadPrompt,
    RequestUse,
    Stop,
    TrainResult,
    UserBytes,
    WorkCost,
)
from protos.messages.parcels import HandedPrompt
from protos.messages.slot import Recalled
from protos.messages.terms import Stage

DRAW = 0x70CE
"""Beside seed, node and request: a stream of randomness of its own for passages."""


class LanguageWorkload:
    """See edge_node.workload.Workload, of the application stage.

    Args:
        config: The model and the lengths of requests.
        requests_per_batch: Of a full batch.
        place: (seed, number of the node): what its users ask follows from it.
        server: The node's server.
        pieces: Windows of the node's meter, one a request.
    """

    num_examples = 0
    num_batches = 0

    def __init__(
        self,
        config: LanguageConfig,
        requests_per_batch: int,
        place: tuple[int, int],
        server: NodeServer,
        pieces: Pieces,
    ) -> None:
        self.requests_per_batch = requests_per_batch
        self._config, self._place, self._server, self._pieces = config, place, server, pieces
        self.shape = Shape(config.block_parameters, config.output_parameters, config.attention_width)
        self._framing = framing_bytes()
        self._answering = Answering(server, pieces, self.shape, self._framing)
        self._failing = Failing(server, pieces, self.shape, self._framing)
        self._split = SplitRequests(config, server, pieces, self.shape, self._framing)
        told = config.conversations
        self._turns = (
            None if told is None else TurnRequests(config, told, place[0], server, pieces, self._framing)
        )
        self._at_once = AtOnce(config, server, pieces, self.shape, self._framing)

    @property
    def digest(self) -> str:
        """The model's: there are no data."""
        return self._config.sha256

    def cost(self, stage: str) -> WorkCost:
        """Of a batch of the node's mean request."""
        _application(stage)
        config, size = self._config, self.requests_per_batch
        lengths = np.array(config.lengths or [(config.prompt_tokens, config.answer_tokens)], dtype=float)
        prompt, answer = (round(float(mean)) for mean in lengths.mean(axis=0))
        flop = self.shape.prefill_flop(prompt) + self.shape.decode_flop(prompt, answer)
        return WorkCost(
            flop_per_batch=size * flop,
            bytes_per_batch=size * (4 * config.longest_tokens + 12),
            up_bytes=size * (prompt * BYTES_PER_TOKEN + self._framing),
            down_bytes=size * answer * EVENT_BYTES,
            split=self._split.cost(self._handed_tokens(prompt), size) if answer > 1 else None,
            measured=calibrated_cost(config.costs, prompt, answer, size, config.at_once),
        )

    def _handed_tokens(self, prompt: int) -> int:
        """Of the mean prompt, what a cache of it has: of a conversation, the turns before."""
        told = self._config.conversations
        return prompt if told is None else max(1, prompt - told.message_tokens - 1)

    def batch(self, batch_id: int, stage: str) -> Arrays:
        """Requests of own batch ``batch_id``; the same number always asks the same. Raises ServerError."""
        _application(stage)
        first = batch_id * self.requests_per_batch
        numbers = range(first, first + self.requests_per_batch)
        if self._turns is not None:
            return self._turns.batch(batch_id)
        corpus, config = self._server.corpus(), self._config
        starts = [
            int(np.random.default_rng((*self._place, DRAW, number)).integers(len(corpus.tokens)))
            for number in numbers
        ]
        return batch_of(
            corpus,
            [self._lengths(number) for number in numbers],
            starts,
            config.shared_tokens,
            config.longest_tokens,
        )

    def recall(self, turns: Sequence[Recalled]) -> None:
        """See edge_node.workload.RecallsTurns. Raises ValueError where users have no conversations."""
        if self._turns is None:
            raise ValueError("users of this node have no conversations")
        self._turns.recall(turns)

    def _lengths(self, number: int) -> tuple[int, int]:
        config = self._config
        if not config.lengths:
            return config.prompt_tokens, config.answer_tokens
        return config.lengths[number % len(config.lengths)]

    def user_bytes(self, batch: Arrays, stage: str) -> UserBytes:
        """Requests with their framing exactly; answers as planned: how long their text is shows when they come
        (``InferResult.users``)."""
        if stage != Stage.APPLICATION:
            return UserBytes(0, 0)
        up = int(batch[TEXT_BYTES].sum()) + self._framing * len(batch[TEXT_BYTES])
        return UserBytes(up, round(float(batch[LENGTHS][:, 1].sum()) * EVENT_BYTES))

    def prepare(self, batches: Sequence[Arrays]) -> float:
        raise ValueError("a node that serves a language model prepares no data")

    def train(
        self,
        parameters: Parameters,
        batches: Sequence[Arrays],
        options: Mapping[str, float],
        stop: Stop | None = None,
    ) -> TrainResult:
        raise ValueError("a node that serves a language model trains nothing")

    def read(self, batch: Arrays) -> list[ReadPrompt]:
        """Read the prompts of a batch that another node answers, one after the other; of a conversation nothing is
        read: its cache is there."""
        if self._turns is not None and TURN in batch:
            return [ReadPrompt(None, self._turns.handed(asked)) for asked in requests_of(batch)]
        return [self._split.read(asked) for asked in requests_of(batch)]

    def infer(self, parameters: Parameters, batches: Sequence[Arrays]) -> InferResult:
        """Answer the requests of ``batches``, one after the other. Each has a window of the meter of its own, or those
        that are answered at once have one. Where a prompt came with its cache, the answer goes on from there; where
        that cannot be, it is read here."""
        uses, users = [], []
        for batch in batches:
            asked_for = requests_of(batch)
            prompts = list(batch[HANDED]) if HANDED in batch else [None] * len(asked_for)
            own = self._uses(asked_for, prompts)
            users.append(UserBytes(sum(use.up_bytes for use in own), sum(use.down_bytes for use in own)))
            uses += own
        answered = [use for use in uses if not use.failed]
        bits = sum(use.content_bits for use in answered)
        flop = sum(use.flop for use in uses)
        return InferResult(
            requests=len(answered),
            payload_bits=bits,
            correct=0,
            batches=len(batches),
            flop=flop,
            input_tokens=sum(use.cached_tokens + use.prefilled_tokens for use in answered),
            output_tokens=sum(use.tokens_out for use in answered),
            decode_flop=sum(use.decode_flop for use in uses),
            decode_s=sum(use.decode_s for use in uses),
            uses=tuple(uses),
            metered_flop=flop,
            users=tuple(users),
        )

    # --- one request -----------------------------------------------------------------------------------------

    def _uses(self, asked_for: Sequence[Asked], prompts: Sequence[HandedPrompt | None]) -> list[RequestUse]:
        """Of a batch. Prompts that came with their caches, of which the server takes one at a time, and turns of
        conversations come first, one after the other."""
        found: dict[int, RequestUse] = {}
        alone = [
            k
            for k, asked in enumerate(asked_for)
            if prompts[k] is not None or asked.turn is not None or not self._fits(asked)
        ]
        for k in alone:
            found[k] = self._any(asked_for[k], prompts[k])
        rest = [k for k in range(len(asked_for)) if k not in found]
        size = self._config.at_once
        for number, first in enumerate(range(0, len(rest), size)):
            group = rest[first : first + size]
            if len(group) == 1:
                found[group[0]] = self._use(asked_for[group[0]])
            else:
                found.update(
                    zip(group, self._at_once.answer([asked_for[k] for k in group], number), strict=True)
                )
        return [found[k] for k in range(len(asked_for))]

    def _fits(self, asked: Asked) -> bool:
        return bool(asked.tokens) and asked.context <= self._config.context_tokens

    def _any(self, asked: Asked, prompt: HandedPrompt | None) -> RequestUse:
        if self._turns is not None and asked.turn is not None:
            return self._turns.answer(asked, prompt)
        if prompt is None:
            return self._use(asked)
        found = self._split.write(asked, prompt)
        return found if isinstance(found, RequestUse) else replace(self._use(asked), aside=(found,))

    def _use(self, asked: Asked) -> RequestUse:
        cpu_s = self._server.cpu_s()
        self._pieces.begin()
        try:
            said = self._said(asked)
        except (AskError, ServerError) as error:
            return self._failing.use(asked, error, cpu_s)
        return self._answering.use(asked, said, cpu_s)

    def _said(self, asked: Asked) -> Said:
        require_answerable(asked, self._config.context_tokens)
        return self._server.ready().ask(asked.tokens, asked.answer_tokens)


def _application(stage: str) -> None:
    if stage != Stage.APPLICATION:
        raise ValueError(f"a language model is served in the application stage, not in {stage}")
