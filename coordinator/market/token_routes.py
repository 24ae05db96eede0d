"""Where the requests of a language model are read and where they are written: whole, or read here and written there.

A request moves by grams and by its latency target. A node's joules cost nothing while green energy is left to it, and
then what its grid emits; bytes cost the sender's and the receiver's radio, and the network half at either end, as in
(D0) of methods.md. Handing over the cache of a prompt costs its bytes; whether that pays is seen request by request, at
what the node's next joule costs after the requests before. Pure.

``whole_routes`` moves whole requests; ``split_routes`` begins with any routes and lets a request be read on one node
and written on another where that has fewer grams, so that its grams are never more than those it began with.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from carbon_data.units import JOULES_PER_KWH
from coordinator.market.fleet import Bools, Floats, Ints

NO_GAIN = "no_gain"
LIMITS = ("offload_cap", "time", "latency", "storage")
"""Why a request is not divided: see ``why_whole``."""


@dataclass(frozen=True)
class Sites:
    """N nodes in the slot that is decided."""

    intensity_g_per_kwh: Floats
    """(N,)."""
    green_j: Floats
    """(N,) left for requests, free of grams."""
    room_s: Floats
    """(N,) of computing that is left in the slot."""
    tx_j_per_byte: Floats
    rx_j_per_byte: Floats
    """(N,)."""
    delay_s: Floats
    """(N, N) of a message from one node to another, of any size."""
    seconds_per_byte: Floats
    """(N, N)."""
    net_j_per_byte: float = 0.0
    """Between sender and receiver."""
    may_hand: Bools | None = None
    """(N, N) whether the second node can go on with what the first has read; None: all can."""
    may_leave: Ints | None = None
    """(N,) requests of each home that may be answered elsewhere; None: all."""
    storage_bytes: Floats | None = None
    """(N,) for what comes from other nodes; None: enough."""
    pair_bytes: float = np.inf
    """That may go from one node to another in the slot."""

    def __post_init__(self) -> None:
        n = len(self.intensity_g_per_kwh)
        for name in ("intensity_g_per_kwh", "green_j", "room_s", "tx_j_per_byte", "rx_j_per_byte"):
            _check(name, getattr(self, name), (n,))
        for name in ("delay_s", "seconds_per_byte"):
            _check(name, getattr(self, name), (n, n))
        if not (np.isfinite(self.net_j_per_byte) and self.net_j_per_byte >= 0):
            raise ValueError(f"net_j_per_byte is {self.net_j_per_byte}; allowed is a finite value >= 0")

    @property
    def size(self) -> int:
        """N."""
        return len(self.intensity_g_per_kwh)


@dataclass(frozen=True)
class Requests:
    """R requests of the slot, in the order in which they are decided."""

    home: Ints
    """(R,) node that the user reaches."""
    tokens_in: Ints
    tokens_out: Ints
    """(R,)."""
    read_j: Floats
    write_j: Floats
    read_s: Floats
    write_s: Floats
    """(R, N) on each node."""
    prompt_bytes: Floats
    cache_bytes: Floats
    answer_bytes: Floats
    """(R,)."""
    first_token_limit_s: Floats
    """(R,) target of the time to the first token, without waiting; infinite: none."""
    answer_limit_s: Floats
    """(R,) the same for the whole answer."""

    def __post_init__(self) -> None:
        count, n = self.read_j.shape
        for name in ("read_j", "write_j", "read_s", "write_s"):
            _check(name, getattr(self, name), (count, n))
        for name in ("tokens_in", "tokens_out", "prompt_bytes", "cache_bytes", "answer_bytes"):
            _check(name, getattr(self, name), (count,))
        if self.home.shape != (count,) or (count and not (0 <= self.home.min() <= self.home.max() < n)):
            raise ValueError(f"home is {self.home}; allowed are {count} nodes of 0 to {n - 1}")

    @property
    def count(self) -> int:
        """R."""
        return len(self.home)


@dataclass(frozen=True)
class Routes:
    """Where each request is read and written, and what that takes."""

    reads_at: Ints
    writes_at: Ints
    """(R,)."""
    load_j: Floats
    """(N,) of all requests, radio included."""
    busy_s: Floats
    """(N,)."""
    network_j: Floats
    """(N,) half of the network's at either end."""
    grams: float
    """Of load beyond the green energy, and of the network."""

    @property
    def split(self) -> Bools:
        """(R,) handed over between reading and writing."""
        return np.asarray(self.reads_at != self.writes_at)


def home_routes(requests: Requests, sites: Sites) -> Routes:
    """Every request at home."""
    return routes_of(requests, sites, requests.home, requests.home)


def routes_of(requests: Requests, sites: Sites, reads_at: Ints, writes_at: Ints) -> Routes:
    """What given places take. No limit is looked at."""
    state = _State(requests, sites)
    for r in range(requests.count):
        state.put(r, int(reads_at[r]), int(writes_at[r]))
    return state.routes()


def whole_routes(requests: Requests, sites: Sites, start: Routes | None = None) -> Routes:
    """Each request in its turn goes to the node where it adds the fewest grams, if that has room and the targets are
    kept; otherwise it stays where ``start`` has it (None: at home)."""
    return _improved(requests, sites, start or home_routes(requests, sites), split=False)


def split_routes(requests: Requests, sites: Sites, start: Routes, *, reads_at_home: bool = False) -> Routes:
    """Each request in its turn may be read on one node (``reads_at_home``: on its own) and written on another where
    that has fewer grams than where ``start`` has it, both have room and the targets are kept. Grams are at most those
    of ``start``."""
    return _improved(requests, sites, start, split=True, reads_at_home=reads_at_home)


def why_whole(requests: Requests, sites: Sites, found: Routes) -> dict[str, int]:
    """Of the requests that ``found`` does not divide, why: how many have no division (read at home, written elsewhere)
    with fewer grams, and how many have one that a limit forbids, by the first of the limits that leaves none.

    Keys are of NO_GAIN and LIMITS; requests whose division would be allowed now, after the others, are in none."""
    state = _State(requests, sites)
    for r in range(requests.count):
        state.put(r, int(found.reads_at[r]), int(found.writes_at[r]))
    n = sites.size
    may_hand = (
        np.ones((n, n), dtype=bool) if sites.may_hand is None else sites.may_hand & ~np.eye(n, dtype=bool)
    )
    counted = dict.fromkeys((NO_GAIN, *LIMITS), 0)
    for r in np.flatnonzero(~found.split).tolist():
        now = state.take(r)
        grams = state.added_g(r)
        better = may_hand & (grams < grams[now]) & (np.arange(n) == requests.home[r])[:, None]
        limits = (state.may_leave(r), state.has_room(r), state.in_time(r), state.can_hold(r))
        state.put(r, *now)
        if not better.any():
            counted[NO_GAIN] += 1
            continue
        for name, kept in zip(LIMITS, limits, strict=True):
            better = better & kept
            if not better.any():
                counted[name] += 1
                break
    return {name: count for name, count in counted.items() if count}


def _improved(
    requests: Requests, sites: Sites, start: Routes, *, split: bool, reads_at_home: bool = False
) -> Routes:
    state = _State(requests, sites)
    for r in range(requests.count):
        state.put(r, int(start.reads_at[r]), int(start.writes_at[r]))
    own = np.eye(sites.size, dtype=bool)
    may_hand = np.ones_like(own) if sites.may_hand is None else sites.may_hand
    allowed = own | may_hand if split else own
    for r in range(requests.count):
        now = state.take(r)
        grams = state.added_g(r)
        fits = allowed & state.has_room(r) & state.in_time(r) & state.may_leave(r) & state.can_hold(r)
        if reads_at_home:
            fits &= (np.arange(sites.size) == requests.home[r])[:, None]
        fits[now] = True  # where it is, it may stay
        best = np.unravel_index(np.argmin(np.where(fits, grams, np.inf)), grams.shape)
        chosen = (int(best[0]), int(best[1])) if grams[best] < grams[now] else now
        state.put(r, *chosen)
    return state.routes()


class _State:
    """Loads of the nodes with the requests that have been put somewhere. (N, N) arrays are by where a request is read
    and where it is written."""

    def __init__(self, requests: Requests, sites: Sites) -> None:
        n = sites.size
        self.requests, self.sites = requests, sites
        self.load_j, self.busy_s, self.network_j = np.zeros(n), np.zeros(n), np.zeros(n)
        self.away = np.zeros(n, dtype=np.int64)
        self.sent_bytes = np.zeros((n, n))
        self.reads_at = np.full(requests.count, -1, dtype=np.int64)
        self.writes_at = self.reads_at.copy()
        own = np.eye(n)
        self._reads = np.broadcast_to(own[:, None, :], (n, n, n))
        self._writes = np.broadcast_to(own[None, :, :], (n, n, n))
        apart = 1.0 - own
        radio = (sites.tx_j_per_byte * own)[:, None, :] + (sites.rx_j_per_byte * own)[None, :, :]
        ends = 0.5 * sites.net_j_per_byte * (own[:, None, :] + own[None, :, :])
        # From one node to another, and nothing to itself: (from, to, node) joules a byte.
        self._radio, self._net = radio * apart[:, :, None], ends * apart[:, :, None]

    def _joules(self, r: int, per_byte: Floats) -> Floats:
        """(N, N, N) joules at each node of what ``r`` sends."""
        asked, home = self.requests, int(self.requests.home[r])
        sent = asked.prompt_bytes[r] * per_byte[home][:, None, :]
        back = asked.answer_bytes[r] * per_byte[:, home][None, :, :]
        return np.asarray(sent + asked.cache_bytes[r] * per_byte + back)

    def _added(self, r: int) -> tuple[Floats, Floats]:
        """(N, N, N) joules that ``r`` adds to every node's load, and to the network at its end."""
        asked = self.requests
        load = self._reads * asked.read_j[r] + self._writes * asked.write_j[r] + self._joules(r, self._radio)
        return load, self._joules(r, self._net)

    def added_g(self, r: int) -> Floats:
        """(N, N) grams that ``r`` would add."""
        load, network = self._added(r)
        before = np.maximum(self.load_j - self.sites.green_j, 0.0)
        after = np.maximum(self.load_j + load - self.sites.green_j, 0.0)
        return np.asarray((after - before + network) @ self.sites.intensity_g_per_kwh / JOULES_PER_KWH)

    def has_room(self, r: int) -> Bools:
        """(N, N) whether both nodes can compute it in this slot."""
        asked = self.requests
        busy = self._reads * asked.read_s[r] + self._writes * asked.write_s[r]
        return np.asarray((self.busy_s + busy <= self.sites.room_s).all(axis=2))

    def may_leave(self, r: int) -> Bools:
        """(N, N) whether one more request of its home may be answered there."""
        home, most = int(self.requests.home[r]), self.sites.may_leave
        stays = np.arange(self.sites.size) == home
        return np.asarray((stays | (most is None or bool(self.away[home] < most[home])))[None, :])

    def can_hold(self, r: int) -> Bools:
        """(N, N) whether both nodes have storage, and the pair's bytes fit, for what comes to them."""
        asked, home = self.requests, int(self.requests.home[r])
        sites, n = self.sites, self.sites.size
        come = np.full((n, n), asked.cache_bytes[r])
        np.fill_diagonal(come, 0.0)
        fits = self.sent_bytes + come <= sites.pair_bytes
        first = np.where(np.arange(n) == home, 0.0, asked.prompt_bytes[r])
        fits &= (self.sent_bytes[home] + first <= sites.pair_bytes)[:, None]
        if sites.storage_bytes is not None:
            held = self.sent_bytes.sum(axis=0)
            fits &= (held + first <= sites.storage_bytes)[:, None]
            fits &= held[None, :] + come <= sites.storage_bytes[None, :]
        return fits

    def in_time(self, r: int) -> Bools:
        """(N, N) whether the targets are kept when no request waits before it."""
        asked, sites, home = self.requests, self.sites, int(self.requests.home[r])
        size = asked.prompt_bytes[r]
        there = sites.delay_s[home] + size * sites.seconds_per_byte[home] + asked.read_s[r]
        first = there + sites.delay_s[:, home]
        over = sites.delay_s + asked.cache_bytes[r] * sites.seconds_per_byte
        np.fill_diagonal(over, 0.0)
        whole = there[:, None] + over + asked.write_s[r][None, :] + sites.delay_s[None, :, home]
        return np.asarray(
            (first[:, None] <= asked.first_token_limit_s[r]) & (whole <= asked.answer_limit_s[r])
        )

    def put(self, r: int, read_at: int, write_at: int, sign: float = 1.0) -> None:
        """There, or with ``sign`` -1 away from there."""
        asked, home = self.requests, int(self.requests.home[r])
        self.load_j[read_at] += sign * asked.read_j[r, read_at]
        self.load_j[write_at] += sign * asked.write_j[r, write_at]
        self.busy_s[read_at] += sign * asked.read_s[r, read_at]
        self.busy_s[write_at] += sign * asked.write_s[r, write_at]
        self.away[home] += int(sign) * (write_at != home)
        if read_at != home:
            self.sent_bytes[home, read_at] += sign * asked.prompt_bytes[r]
        if write_at != read_at:
            self.sent_bytes[read_at, write_at] += sign * asked.cache_bytes[r]
        for begin, end, size in (
            (home, read_at, asked.prompt_bytes[r]),
            (read_at, write_at, asked.cache_bytes[r]),
            (write_at, home, asked.answer_bytes[r]),
        ):
            self.load_j += sign * size * self._radio[begin, end]
            self.network_j += sign * size * self._net[begin, end]
        self.reads_at[r], self.writes_at[r] = read_at, write_at

    def take(self, r: int) -> tuple[int, int]:
        """Away from where it is, which is returned."""
        now = int(self.reads_at[r]), int(self.writes_at[r])
        self.put(r, *now, sign=-1.0)
        return now

    def routes(self) -> Routes:
        grid_j = np.maximum(self.load_j - self.sites.green_j, 0.0) + self.network_j
        return Routes(
            self.reads_at,
            self.writes_at,
            self.load_j,
            self.busy_s,
            self.network_j,
            float(grid_j @ self.sites.intensity_g_per_kwh / JOULES_PER_KWH),
        )


def break_even_j_per_byte(
    read_j: float, read_g_per_kwh: float, other_read_j: float, other_g_per_kwh: float, cache_bytes: float
) -> float:
    """Joules a byte, at the mean of the two intensities, up to which reading on the other node and sending the cache
    back has fewer grams than reading on the first. 0 or less: never."""
    saved_g = read_j * read_g_per_kwh - other_read_j * other_g_per_kwh
    return saved_g / (cache_bytes * (read_g_per_kwh + other_g_per_kwh) / 2.0)


def _check(name: str, values: Floats | Ints, shape: tuple[int, ...]) -> None:
    if values.shape != shape:
        raise ValueError(f"{name} has the shape {values.shape}; allowed is {shape}")
    if not (np.isfinite(values).all() and (values >= 0).all()):
        raise ValueError(f"{name} is {values}; allowed are finite values >= 0")
