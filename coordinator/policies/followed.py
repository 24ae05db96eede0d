"""Users who have moved in mid-conversation: their turn is answered at the node that they are at now, which reads the
conversation again or gets its cache. Pure.

Prices in grams: the cache's bytes (radio at either end at its node's intensity, the network half at either end) against
the joules of reading again at the new node's. Green energy is not looked at: it may be used for either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from carbon_data.units import JOULES_PER_KWH
from coordinator.market.decision import FleetDecision
from coordinator.market.fleet import Fleet, Floats, Ints, MovedTurns
from coordinator.market.hand_over import usable_s
from coordinator.market.pairs import Pairs
from coordinator.market.rounding import WorkLimits
from coordinator.policies.local import rule_decision

Way = Literal["prefill", "hand-over", "cheaper"]
"""Always read again; always hand the cache over where that can be; what has fewer grams."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Of each moved turn, g. (K,)."""

    hand_over_g: Floats
    read_again_g: Floats

    @property
    def saved_g(self) -> Floats:
        """What handing over saves; below zero: reading again is cheaper."""
        return self.read_again_g - self.hand_over_g


def prices(fleet: Fleet, moved: MovedTurns) -> Prices:
    """Of the turns that moved in this slot."""
    here, there = moved.owner, moved.at
    intensity = fleet.intensity_g_per_kwh[:, 0]
    net = fleet.limits.net_j_per_byte / 2
    sent = (fleet.tx_j_per_byte[here] + net) * intensity[here]
    received = (fleet.rx_j_per_byte[there] + net) * intensity[there]
    return Prices(
        moved.cache_bytes * (sent + received) / JOULES_PER_KWH,
        moved.read_again_j * intensity[there] / JOULES_PER_KWH,
    )


def followed(fleet: Fleet, way: Way, most_bytes: float) -> FleetDecision:
    """LOCAL's decision, with the turns of users who moved answered where they are now. A turn for which that node has
    no time or room stays with the node that has the conversation.

    Args:
        most_bytes: That may go from one node to another in a slot.
    """
    limits = WorkLimits.of(fleet, np.ones(fleet.size, dtype=bool))
    moved = fleet.moved
    if moved is None or not len(moved.owner):
        return rule_decision(fleet, np.minimum(limits.available, limits.capacity))
    taken = _accepted(fleet, moved, limits)
    away = np.bincount(moved.owner[taken], minlength=fleet.size)
    guests = np.bincount(moved.at[taken], minlength=fleet.size)
    home = np.minimum(limits.available - away, np.maximum(limits.capacity - guests, 0))
    one = np.ones(len(taken), dtype=np.int64)
    price = prices(fleet, moved)
    handed = _handed(fleet, moved, taken, price, way, most_bytes, home + guests)
    notes = {
        "moved_turns": float(len(moved.owner)),
        "followed_turns": float(len(taken)),
        "handed_turns": float(handed.amount.sum()),
        "hand_over_price_g": float(price.hand_over_g[taken].sum()),
        "read_again_price_g": float(price.read_again_g[taken].sum()),
    }
    moves = Pairs.of(moved.owner[taken], moved.at[taken], one)
    return rule_decision(fleet, home, moves, handed=handed, notes=notes)


def _accepted(fleet: Fleet, moved: MovedTurns, limits: WorkLimits) -> Ints:
    """(A,) the turns that the nodes of their users have room for, beside the own turns of those who stayed."""
    leaving = np.bincount(moved.owner, minlength=fleet.size)
    runs = np.minimum(np.maximum(limits.available - leaving, 0), limits.capacity)
    away, guests = np.zeros(fleet.size, dtype=np.int64), np.zeros(fleet.size, dtype=np.int64)
    found = []
    for k, (i, j) in enumerate(zip(moved.owner.tolist(), moved.at.tolist(), strict=True)):
        may_leave = away[i] < min(limits.may_leave[i], limits.available[i])
        if may_leave and guests[j] < limits.guest_room[j] and runs[j] < limits.capacity[j]:
            away[i], guests[j], runs[j] = away[i] + 1, guests[j] + 1, runs[j] + 1
            found.append(k)
    return np.array(found, dtype=np.int64)


def _handed(
    fleet: Fleet, moved: MovedTurns, taken: Ints, price: Prices, way: Way, most_bytes: float, runs: Ints
) -> Pairs[np.int64]:
    """How many of each pair's turns get their caches: always the first ones of the pair."""
    none = np.zeros(0, dtype=np.int64)
    split = fleet.split
    if way == "prefill" or split is None or not len(taken):
        return Pairs(none, none, none)
    may = split.pairs()
    busy = fleet.seconds_per_batch[:, 0] * runs
    time_s = usable_s(fleet, np.ones(fleet.size, dtype=bool))
    size = float(fleet.bytes_per_batch[0])
    held = size * np.bincount(moved.at[taken], minlength=fleet.size)
    saved = price.saved_g
    rows = []
    for i, j in sorted(set(zip(moved.owner[taken].tolist(), moved.at[taken].tolist(), strict=True))):
        own = taken[(moved.owner[taken] == i) & (moved.at[taken] == j)]
        wanted = len(own) if way == "hand-over" else int(np.argmax(np.cumsum([0.0, *saved[own]])))
        pair_bytes, count = size * len(own), 0
        for k in own[:wanted] if may[i, j] else ():
            cache = max(float(moved.cache_bytes[k]), float(split.cache_bytes[i]))
            full = pair_bytes + cache > most_bytes or held[j] + cache > fleet.storage_bytes[j]
            if full or busy[i] + split.read_s[i] > time_s[i]:
                break
            pair_bytes, count = pair_bytes + cache, count + 1
            held[j], busy[i] = held[j] + cache, busy[i] + split.read_s[i]
        rows.append((i, j, count))
    source, target, amount = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    return Pairs.of(source, target, amount)
