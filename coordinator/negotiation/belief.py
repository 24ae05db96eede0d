"""Beliefs of nodes about each other's harvest: Dirichlet counts over bins, per hour of day, from public offers alone.

[R]: methods.md section 2, item 3 names belief and auction only. Here the public sign of a node's harvest is the
energy it offers, as a share of the most it has ever offered, in one of ``BINS`` bins. The prior is one count in the
lowest bin: an hour in which nothing was offered yet promises nothing. The certainty equivalent is the posterior mean.
Where others' expected offers meet expected demand, a joule stored for that hour is expected to be worth less:
scarcity = 1 - min(1, supply / demand) of the own intensity.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coordinator.market.fleet import Floats
from coordinator.negotiation.quote import Good, Quote, Side

BINS = 5


@dataclass(frozen=True)
class Belief:
    """Public knowledge after some slots; every node draws its own conclusions from it, leaving itself out."""

    counts: Floats
    """(N, S, BINS) Dirichlet counts of node and slot of day."""
    most_j: Floats
    """(N,) largest offer of each node so far, J in the hub."""
    demand_j: Floats
    """(S,) mean of all bids of energy in the slot of day."""
    seen: Floats
    """(S,) how often the slot of day was seen."""

    @classmethod
    def prior(cls, nodes: int, slots_per_day: int) -> Belief:
        counts = np.zeros((nodes, slots_per_day, BINS))
        counts[..., 0] = 1.0
        return cls(counts, np.zeros(nodes), np.zeros(slots_per_day), np.zeros(slots_per_day))

    def expected_offers_j(self) -> Floats:
        """(N, S) posterior mean of each node's offer."""
        middles = (np.arange(BINS) + 0.5) / BINS
        middles[0] = 0.0  # the lowest bin holds the nights: as good as nothing
        share = self.counts @ middles / self.counts.sum(axis=2)
        return np.asarray(share * self.most_j[:, None])

    def scarcity(self, slot: int, horizon: int) -> Floats:
        """(N, H) what a later joule is expected to be worth to each node, as a share of its own intensity."""
        day = (slot + np.arange(horizon)) % self.counts.shape[1]
        offers = self.expected_offers_j()[:, day]
        others = offers.sum(axis=0)[None, :] - offers
        demand = self.demand_j[day][None, :]
        met = np.divide(others, demand, out=np.zeros_like(others), where=demand > 0)
        return 1.0 - np.clip(met, 0.0, 1.0)

    def learn(self, slot: int, offers: list[Quote]) -> Belief:
        """The belief after the quotes of one slot."""
        hour = slot % self.counts.shape[1]
        offered, wanted = np.zeros(len(self.most_j)), 0.0
        for quote in offers:
            if quote.good is Good.ENERGY and quote.side is Side.ASK:
                offered[quote.node] += quote.quantity
            elif quote.good is Good.ENERGY:
                wanted += quote.quantity
        most = np.maximum(self.most_j, offered)
        share = np.divide(offered, most, out=np.zeros_like(offered), where=most > 0)
        which = np.minimum((share * BINS).astype(np.int64), BINS - 1)
        counts, demand, seen = self.counts.copy(), self.demand_j.copy(), self.seen.copy()
        counts[np.arange(len(most)), hour, which] += 1.0
        seen[hour] += 1.0
        demand[hour] += (wanted - demand[hour]) / seen[hour]
        return Belief(counts, most, demand, seen)
