"""What a node served in a slot, as it is reported."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from edge_node.workload import InferResult
from protos.latency import count, exact_quantile
from protos.messages import Serving


@dataclass(slots=True)
class Tally:
    """Requests answered so far."""

    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    bits: int = 0
    latency_s: list[float] = field(default_factory=list)

    def add(self, result: InferResult, latency_s: np.ndarray) -> None:
        """One result and the latency of each of its requests."""
        self.requests += result.requests
        self.tokens_in += result.input_tokens
        self.tokens_out += result.tokens
        self.bits += result.payload_bits
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
        )
