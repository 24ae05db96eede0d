"""Counts of a node's served requests in a slot, as reported."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from edge_node.workload import InferResult
from protos.latency import count, exact_quantile
from protos.messages.slot import Serving


@dataclass(frozen=True, slots=True)
class Service:
    """Board time of answers, by phase."""

    prefill_s: float
    """Passes over the input; all of it where nothing is generated token by token."""
    decode_s: float

    def __add__(self, other: Service) -> Service:
        return Service(self.prefill_s + other.prefill_s, self.decode_s + other.decode_s)

    @property
    def total_s(self) -> float:
        return self.prefill_s + self.decode_s


@dataclass(slots=True)
class Tally:
    """Requests answered so far."""

    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    bits: int = 0
    prefill_s: float = 0.0
    decode_s: float = 0.0
    latency_s: list[float] = field(default_factory=list)

    def add(self, result: InferResult, latency_s: np.ndarray, service: Service) -> None:
        """One result, the latency of each of its requests, and the board's time for them."""
        self.requests += result.requests
        self.tokens_in += result.input_tokens
        self.tokens_out += result.output_tokens
        self.bits += result.payload_bits
        self.prefill_s += service.prefill_s
        self.decode_s += service.decode_s
        self.latency_s.extend(float(value) for value in latency_s)

    def report(self, service: str, latency_target_s: float | None) -> Serving:
        """As it goes to the coordinator."""
        ascending = sorted(self.latency_s)
        bins = count(ascending)
        misses = 0 if latency_target_s is None else sum(value > latency_target_s for value in ascending)
        return Serving(
            service=service,
            requests=self.requests,
            tokens_in=self.tokens_in,
            tokens_out=self.tokens_out,
            bits=self.bits,
            deadline_misses=misses,
            latency_p50_s=exact_quantile(ascending, 0.50),
            latency_p95_s=exact_quantile(ascending, 0.95),
            latency_p99_s=exact_quantile(ascending, 0.99),
            latency_bins=tuple(bins),
            latency_counts=tuple(bins.values()),
            prefill_s=self.prefill_s,
            decode_s=self.decode_s,
        )
