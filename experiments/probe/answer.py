"""What a server said in answer to one request, and when."""

from __future__ import annotations

from dataclasses import dataclass, field

BITS_PER_BYTE = 8


@dataclass(slots=True)
class Answer:
    """Filled while the answer is read. Times are seconds since the request was sent."""

    text: list[str] = field(default_factory=list)
    """Pieces as they came; a piece is not a token."""
    times_s: list[float] = field(default_factory=list)
    """When each piece came."""
    prompt_bits: int = 0
    """Of the text that was asked (UTF-8), without what the server puts around it."""
    wire_bytes: int = 0
    """Of the answer's body, framing included."""
    duration_s: float = 0.0
    prompt_tokens: int | None = None
    """As the server counts them, cached ones included; None: it does not say."""
    cached_tokens: int | None = None
    """Of the prompt, that it had read before; None: it does not say."""
    tokens_out: int | None = None
    prefill_s: float | None = None
    """By the server's own clock; None: it does not say."""
    decode_s: float | None = None

    @property
    def content_bits(self) -> int:
        """Of the texts of prompt and answer (UTF-8), without framing: as of a request of a run."""
        return self.prompt_bits + BITS_PER_BYTE * sum(len(piece.encode()) for piece in self.text)

    @property
    def first_s(self) -> float | None:
        """Time to the first piece of text."""
        return self.times_s[0] if self.times_s else None

    @property
    def between_s(self) -> float | None:
        """Mean time from one generated token to the next."""
        if len(self.times_s) < 2 or not self.tokens_out or self.tokens_out < 2:
            return None
        return (self.times_s[-1] - self.times_s[0]) / (self.tokens_out - 1)

    @property
    def prefilled(self) -> int:
        """Tokens of the prompt that the server had to read."""
        return (self.prompt_tokens or 0) - (self.cached_tokens or 0)

    def prefill_share(self) -> float | None:
        """Share of the request's work that reading the prompt was: by the server's clock, else by the first piece of
        text, which comes with the first token. None where neither is known."""
        if self.prefill_s is not None and self.decode_s is not None:
            whole_s = self.prefill_s + self.decode_s
            return self.prefill_s / whole_s if whole_s > 0 else None
        if self.first_s is None or not self.duration_s:
            return None
        return min(1.0, self.first_s / self.duration_s)
