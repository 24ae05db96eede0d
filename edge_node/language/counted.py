"""Operations that a server did for a request, counted by the model's shape, whether it answered or not. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from edge_node.language.ask import GoneError, Said
from edge_node.language.asked import Asked
from edge_node.language.prompt_cache import CacheError
from edge_node.language.shape import Shape


@dataclass(frozen=True, slots=True)
class ReadWrite:
    """Of reading a prompt and of writing its answer: operations, joules, or weights in any unit."""

    read: float
    write: float

    @property
    def whole(self) -> float:
        return self.read + self.write


class UnusedError(CacheError):
    """The server answered, and the answer is of no use. ``said``: what it did."""

    def __init__(self, reason: str, said: Said) -> None:
        self.said = said
        super().__init__(reason)


def said_flop(shape: Shape, said: Said) -> ReadWrite:
    """Of an answer."""
    read = shape.prefill_flop(said.prefilled_tokens, said.cached_tokens)
    return ReadWrite(read, shape.decode_flop(said.cached_tokens + said.prefilled_tokens, said.tokens_out))


def begun_flop(shape: Shape, asked: Asked, error: Exception, cached: int = 0) -> ReadWrite:
    """What the server did for ``asked`` before ``error``. The prompt counts as read where it was asked: how far a
    server came that went away is not known. ``cached``: tokens of the prompt that it had not to read."""
    if isinstance(error, UnusedError):
        return said_flop(shape, error.said)
    if isinstance(error, GoneError):
        read = shape.prefill_flop(max(0, len(asked.tokens) - cached), cached)
        return ReadWrite(read, shape.decode_flop(len(asked.tokens), error.tokens_out))
    return ReadWrite(0.0, 0.0)
