"""Poisson arrivals with common random numbers.

Each service has a stream of unit-mean intervals of its own, fixed by the seed; a rate only stretches it. Two
points of a sweep, or two settings, therefore see the same world: differences are paired.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from experiments.studies.tree.model import Service, Traffic
from experiments.studies.tree.parameters import PS_PER_S

_STREAM = 0x7245E  # keeps these streams apart from every other use of the same seed


def _arrivals(rng: np.random.Generator, rate_per_s: float, horizon_s: float) -> NDArray[np.int64]:
    if rate_per_s == 0.0:
        return np.empty(0, dtype=np.int64)
    expected = rate_per_s * horizon_s
    chunks = [rng.standard_exponential(int(expected + 6.0 * expected**0.5 + 16.0))]
    while (reached := sum(float(chunk.sum()) for chunk in chunks)) < expected:
        chunks.append(rng.standard_exponential(int(expected - reached) + 16))
    times_s = np.cumsum(np.concatenate(chunks)) / rate_per_s
    return np.rint(times_s[times_s < horizon_s] * PS_PER_S).astype(np.int64)


def draw(seed: int, rates_per_s: Sequence[float], horizon_s: float, users: int = 1) -> Traffic:
    """Arrivals of VR, VU and VG at ``rates_per_s`` (in that order) on [0, horizon_s), each of one of ``users``.

    Raises:
        ValueError: rates or horizon that are no finite numbers >= 0.
    """
    if len(rates_per_s) != len(Service) or not all(0.0 <= rate < float("inf") for rate in rates_per_s):
        raise ValueError(f"rates_per_s is {rates_per_s}; allowed are three finite numbers >= 0: VR, VU, VG")
    if not 0.0 < horizon_s < float("inf"):
        raise ValueError(f"horizon_s is {horizon_s}; allowed is a finite number > 0")
    times = [
        _arrivals(np.random.default_rng([_STREAM, seed, int(service)]), rates_per_s[service], horizon_s)
        for service in Service
    ]
    time_ps = np.concatenate(times)
    service = np.repeat(np.arange(len(Service), dtype=np.int8), [len(part) for part in times])
    order = np.argsort(time_ps, kind="stable")
    whose = None
    if users > 1:
        drawn = [
            np.random.default_rng([_STREAM, seed, int(service), users]).integers(users, size=len(part))
            for service, part in zip(Service, times, strict=True)
        ]
        whose = np.concatenate(drawn).astype(np.int8)[order]
    return Traffic(time_ps[order], service[order], round(horizon_s * PS_PER_S), whose)
