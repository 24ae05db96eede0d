"""When requests are answered: every node takes what waits at it in the order in which it came, one at a time."""

from __future__ import annotations

import heapq

import numpy as np

from coordinator.market.fleet import Floats, Ints
from coordinator.market.token_routes import Requests

READ, WRITE = 0, 1


def latencies(
    at_s: Floats,
    requests: Requests,
    reads_at: Ints,
    writes_at: Ints,
    delay_s: Floats,
    seconds_per_byte: Floats,
) -> tuple[Floats, Floats]:
    """(R,) seconds to the first token and to the end of the answer, at the user."""
    free = np.zeros(delay_s.shape[0])
    first, last = np.zeros(requests.count), np.zeros(requests.count)
    waiting: list[tuple[float, int, int]] = []
    for r in range(requests.count):
        way = int(requests.home[r]), int(reads_at[r])
        heapq.heappush(
            waiting, (at_s[r] + delay_s[way] + requests.prompt_bytes[r] * seconds_per_byte[way], r, READ)
        )
    while waiting:
        came_s, r, phase = heapq.heappop(waiting)
        home, reads, writes = int(requests.home[r]), int(reads_at[r]), int(writes_at[r])
        node = reads if phase == READ else writes
        begin_s = max(came_s, free[node])
        if phase == READ:
            read_s = begin_s + requests.read_s[r, reads]
            first[r] = read_s + delay_s[reads, home] - at_s[r]
            if writes != reads:
                free[node] = read_s
                ship_s = delay_s[reads, writes] + requests.cache_bytes[r] * seconds_per_byte[reads, writes]
                heapq.heappush(waiting, (read_s + ship_s, r, WRITE))
                continue
            begin_s = read_s
        free[node] = begin_s + requests.write_s[r, writes]
        last[r] = free[node] + delay_s[writes, home] - at_s[r]
    return first, last
