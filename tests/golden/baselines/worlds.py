"""Synthetic inputs on which the baselines and their published originals decide: functions of seeds, nothing stored.

Used by the tests beside and by ``regenerate.py``, which runs the originals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class OortWorld:
    """N clients whose loss falls with every round they take part in, each at its own pace, towards its own floor.

    Sizes: a random order of N equal steps from 40 to 600 examples. Durations: log-normal, median 30 s, sigma 0.6, with
    a slight tendency to rise with size. Losses: from 1 to 3 before training to 10..70 % of that, by 10..60 % of the
    remaining way a round. Preferred duration: the selector's own (30th percentile at first, then its pacer)."""

    size: Ints
    duration_s: Floats
    first_loss: Floats
    floor: Floats
    pace: Floats

    @classmethod
    def of(cls, nodes: int) -> OortWorld:
        rng = np.random.default_rng([2021, nodes])
        size = rng.permutation(np.linspace(40, 600, nodes).astype(np.int64))
        return cls(
            size=size,
            duration_s=30.0 * np.exp(rng.normal(0.0, 0.6, nodes)) * (size / 300.0) ** 0.2,
            first_loss=rng.uniform(1.0, 3.0, nodes),
            floor=rng.uniform(0.1, 0.7, nodes),
            pace=rng.uniform(0.1, 0.6, nodes),
        )

    def loss(self, participations: Ints) -> Floats:
        """(N,) mean training loss of each client's last round; undefined before its first."""
        left = (1.0 - self.pace) ** np.maximum(participations - 1, 0)
        return self.first_loss * (self.floor + (1.0 - self.floor) * left)


@dataclass(frozen=True)
class LowcarbInput:
    """One selection: forecasts by client, hours of an invented grid, and participations of each.

    Up to 16 clients: among more, the original's sort (not a stable one) leaves ties in no defined order."""

    intensity: Floats
    """(N, longest + 1)."""
    participations: Ints
    count: int
    longest: int

    @classmethod
    def of(cls, seed: int) -> LowcarbInput:
        rng = np.random.default_rng([2022, seed])
        nodes, longest = int(rng.integers(3, 17)), int(rng.integers(1, 13))
        mean = rng.uniform(20.0, 900.0, (nodes, 1))
        swing = 1.0 + 0.3 * np.sin(rng.uniform(0, 6.28, (nodes, 1)) + 0.26 * np.arange(longest + 1))
        rounds = int(rng.integers(0, 12))
        return cls(
            intensity=mean * swing + rng.uniform(0.0, 10.0, (nodes, longest + 1)),
            participations=rng.integers(0, rounds + 1, nodes),
            count=int(rng.integers(1, nodes + 1)),
            longest=longest,
        )


@dataclass(frozen=True)
class FedZeroInput:
    """One selection: clients in power domains, some of them dark now, some on the blocklist, some untrained."""

    domain: Ints
    """(N,)."""
    energy_j: Floats
    """(domains, T)."""
    epoch_batches: Ints
    """(N,) least work of a round; the most is five times as much."""
    joules_per_batch: Floats
    capacity: Ints
    """(N,) batches a slot."""
    utility: Floats
    """NaN: has not trained."""
    examples: Ints
    blocked: Ints
    """Indices."""
    count: int

    @classmethod
    def of(cls, seed: int) -> FedZeroInput:
        rng = np.random.default_rng([2024, seed])
        nodes, domains, slots = (int(rng.integers(*ends)) for ends in ((3, 9), (1, 5), (1, 6)))
        epoch = rng.integers(2, 12, nodes)
        joules = rng.uniform(5.0, 40.0, nodes)
        energy = rng.gamma(1.0, 150.0, (domains, slots)) * (rng.random((domains, slots)) < 0.75)
        return cls(
            domain=rng.integers(0, domains, nodes),
            energy_j=energy,
            epoch_batches=epoch,
            joules_per_batch=joules,
            capacity=rng.integers(1, 20, nodes),
            utility=np.where(rng.random(nodes) < 0.3, np.nan, rng.uniform(10.0, 500.0, nodes)),
            examples=epoch * 10 - rng.integers(0, 10, nodes),
            blocked=np.flatnonzero(rng.random(nodes) < 0.15),
            count=int(rng.integers(1, max(2, nodes // 2 + 1))),
        )


@dataclass(frozen=True)
class FedZeroStep:
    """One slot of one power domain: what its energy pays for."""

    energy_j: float
    joules_per_batch: Floats
    epoch_batches: Ints
    done: Floats
    capacity: Ints

    @classmethod
    def of(cls, seed: int) -> FedZeroStep:
        rng = np.random.default_rng([2025, seed])
        clients = int(rng.integers(1, 6))
        epoch, joules = rng.integers(1, 15, clients), rng.uniform(2.0, 60.0, clients)
        done = np.floor(5.0 * epoch * rng.random(clients) ** 2)
        capacity = rng.integers(1, 30, clients)
        return cls(
            energy_j=float(rng.uniform(0.0, 1.2) * (joules * capacity).sum()),
            joules_per_batch=joules,
            epoch_batches=epoch,
            done=done,
            capacity=capacity,
        )


@dataclass(frozen=True)
class FedZeroRun:
    """Rounds one after the other; every client a power domain of its own, and every slot's energy that of whole
    batches, so that nothing is left to rounding."""

    energy_batches: Ints
    """(N, T) of the client's own batches."""
    joules_per_batch: Floats
    epoch_batches: Ints
    capacity: Ints
    examples: Ints
    """Distinct, so that no two selections are worth the same."""
    utility: Floats
    """(N, rounds) as the client would report it after each round."""
    count: int
    horizon: int
    slot_s: float
    alpha: float
    """Release is certain, or impossible above the mean: no random draw decides."""
    exclusion: float

    @classmethod
    def of(cls, seed: int) -> FedZeroRun:
        rng = np.random.default_rng([2026, seed])
        nodes, slots = int(rng.integers(3, 8)), 60
        epoch = rng.integers(1, 8, nodes)
        light = np.maximum(np.sin((np.arange(slots) + rng.uniform(0, 24, (nodes, 1))) * 2 * np.pi / 24), 0.0)
        return cls(
            energy_batches=np.floor(
                light * rng.uniform(2, 12, (nodes, 1)) * rng.random((nodes, slots))
            ).astype(int),
            joules_per_batch=2.0 ** rng.integers(0, 6, nodes),
            epoch_batches=epoch,
            examples=epoch * 10 - rng.permutation(10)[:nodes],
            capacity=rng.integers(2, 15, nodes),
            utility=rng.uniform(10.0, 500.0, (nodes, slots)),
            count=int(rng.integers(1, nodes // 2 + 1)),
            horizon=int(rng.integers(2, 9)),
            slot_s=float(rng.choice([1800.0, 3600.0])),
            alpha=float(rng.choice([1e9, 1e-15])),
            exclusion=float(rng.choice([0.5, 0.8, 1.0])),
        )
