"""Turns of conversations whose users have moved before a slot, as policies see them. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import numpy as np

from coordinator.config import CoordinatorConfig
from coordinator.market.fleet import MovedTurns


def moved_turns(config: CoordinatorConfig, slot: int, node_ids: Sequence[str]) -> MovedTurns | None:
    """Those of ``slot`` between nodes of ``node_ids``; None where the run has no conversations. A user who is at a node
    that is not there is answered by the owner."""
    if not config.turns:
        return None
    index = {node: k for k, node in enumerate(node_ids)}
    first, end = (cut(config.turns, slot, key=lambda each: each.slot) for cut in (bisect_left, bisect_right))
    found = [
        each
        for each in config.turns[first:end]
        if each.owner != each.at and each.owner in index and each.at in index
    ]
    return MovedTurns(
        owner=np.array([index[each.owner] for each in found], dtype=np.int64),
        at=np.array([index[each.at] for each in found], dtype=np.int64),
        cache_bytes=np.array([each.cache_bytes for each in found], dtype=float),
        read_again_j=np.array([each.read_again_j for each in found], dtype=float),
    )
