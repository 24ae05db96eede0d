"""Routes of requests: nothing is lost, limits are kept, and a hand-over never has more grams than none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.market.token_routes import (
    Requests,
    Sites,
    break_even_j_per_byte,
    home_routes,
    routes_of,
    split_routes,
    whole_routes,
)


def world(seed: int, count: int = 12, n: int = 4, **more: float) -> tuple[Requests, Sites]:
    """Random nodes and requests; ``more`` overrides: room_s, green_j, net, cache, limit."""
    draw = np.random.default_rng(seed)
    tokens_in, tokens_out = draw.integers(1, 500, count), draw.integers(1, 200, count)
    read, write = draw.uniform(1e-3, 1e-2, n), draw.uniform(5e-3, 2e-2, n)
    delay = draw.uniform(0, 0.1, (n, n))
    np.fill_diagonal(delay, 0.0)
    limit = np.full(count, more.get("limit", np.inf))
    requests = Requests(
        home=draw.integers(0, n, count),
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        read_j=tokens_in[:, None] * read,
        write_j=tokens_out[:, None] * write,
        read_s=tokens_in[:, None] * read / 2,
        write_s=tokens_out[:, None] * write / 2,
        prompt_bytes=4.0 * tokens_in,
        cache_bytes=more.get("cache", 100.0) * tokens_in,
        answer_bytes=4.0 * tokens_out,
        first_token_limit_s=limit,
        answer_limit_s=limit,
    )
    sites = Sites(
        intensity_g_per_kwh=draw.uniform(20, 900, n),
        green_j=draw.uniform(0, more.get("green_j", 5.0), n),
        room_s=np.full(n, more.get("room_s", 1e9)),
        tx_j_per_byte=draw.uniform(0, 1e-7, n),
        rx_j_per_byte=draw.uniform(0, 1e-7, n),
        delay_s=delay,
        seconds_per_byte=np.full((n, n), 1e-8),
        net_j_per_byte=more.get("net", 1e-7),
    )
    return requests, sites


SEEDS = st.integers(0, 10_000)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.floats(0.5, 50.0), st.floats(0.0, 40.0), st.floats(0.0, 1e-5))
def test_neither_moving_nor_handing_over_ever_adds_grams(
    seed: int, room_s: float, green_j: float, net: float
) -> None:
    requests, sites = world(seed, room_s=room_s, green_j=green_j, net=net)
    home = home_routes(requests, sites)
    whole = whole_routes(requests, sites)
    split = split_routes(requests, sites, whole)
    assert whole.grams <= home.grams + 1e-12
    assert split.grams <= whole.grams + 1e-12
    assert not whole.split.any()


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.floats(0.5, 50.0))
def test_every_token_is_read_and_written_once(seed: int, room_s: float) -> None:
    requests, sites = world(seed, room_s=room_s)
    routes = split_routes(requests, sites, whole_routes(requests, sites))
    for places, tokens, joules in (
        (routes.reads_at, requests.tokens_in, requests.read_j),
        (routes.writes_at, requests.tokens_out, requests.write_j),
    ):
        assert ((places >= 0) & (places < sites.size)).all()
        by_node = np.bincount(places, tokens, minlength=sites.size)
        assert by_node.sum() == tokens.sum()
        assert joules[np.arange(requests.count), places].shape == (requests.count,)
    computed = sum(
        requests.read_j[r, routes.reads_at[r]] + requests.write_j[r, routes.writes_at[r]]
        for r in range(requests.count)
    )
    radio = 0.0
    for r in range(requests.count):
        path = [requests.home[r], routes.reads_at[r], routes.writes_at[r], requests.home[r]]
        sizes = [requests.prompt_bytes[r], requests.cache_bytes[r], requests.answer_bytes[r]]
        for begin, end, size in zip(path[:-1], path[1:], sizes, strict=True):
            radio += (begin != end) * size * (sites.tx_j_per_byte[begin] + sites.rx_j_per_byte[end])
    assert routes.load_j.sum() == pytest.approx(computed + radio)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.floats(0.5, 20.0))
def test_no_node_takes_what_it_has_no_room_for(seed: int, room_s: float) -> None:
    requests, sites = world(seed, room_s=room_s)
    home = home_routes(requests, sites)
    routes = split_routes(requests, sites, whole_routes(requests, sites))
    # At home a request is served in any case.
    assert (routes.busy_s <= np.maximum(sites.room_s, home.busy_s) + 1e-9).all()


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.floats(0.01, 3.0))
def test_a_request_leaves_home_only_within_its_target(seed: int, limit: float) -> None:
    requests, sites = world(seed, limit=limit)
    routes = split_routes(requests, sites, whole_routes(requests, sites))
    for r in range(requests.count):
        home, read, write = int(requests.home[r]), int(routes.reads_at[r]), int(routes.writes_at[r])
        if (read, write) == (home, home):
            continue
        first = sites.delay_s[home, read] + requests.prompt_bytes[r] * 1e-8 + requests.read_s[r, read]
        assert first + sites.delay_s[read, home] <= limit + 1e-12
        over = 0.0 if read == write else sites.delay_s[read, write] + requests.cache_bytes[r] * 1e-8
        assert first + over + requests.write_s[r, write] + sites.delay_s[write, home] <= limit + 1e-12


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_without_limits_and_green_energy_every_request_has_its_best_place(seed: int) -> None:
    requests, sites = world(seed, count=5, green_j=0.0)
    best = 0.0
    for r in range(requests.count):
        alone = [
            routes_of(_only(requests, r), sites, np.array([a]), np.array([b])).grams
            for a in range(sites.size)
            for b in range(sites.size)
        ]
        best += min(alone)
    found = split_routes(requests, sites, whole_routes(requests, sites))
    assert found.grams == pytest.approx(best, rel=1e-9)


def _only(requests: Requests, r: int) -> Requests:
    return Requests(**{name: getattr(requests, name)[r : r + 1] for name in Requests.__dataclass_fields__})


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_equal_nodes_hand_nothing_over(seed: int) -> None:
    """Where all nodes take the same joules and have room, the cleanest does both."""
    requests, sites = world(seed, green_j=0.0)
    alike = Requests(
        **{
            **{name: getattr(requests, name) for name in Requests.__dataclass_fields__},
            "read_j": np.repeat(requests.read_j[:, :1], sites.size, axis=1),
            "write_j": np.repeat(requests.write_j[:, :1], sites.size, axis=1),
        }
    )
    whole = whole_routes(alike, sites)
    assert split_routes(alike, sites, whole).grams == pytest.approx(whole.grams, rel=1e-12)


def test_a_cheap_reader_and_a_clean_writer_share_a_request_if_bytes_cost_little() -> None:
    one = np.ones(1)
    far = np.full(1, np.inf)
    requests = Requests(
        home=np.array([0]),
        tokens_in=np.array([100]),
        tokens_out=np.array([10]),
        read_j=np.array([[10.0, 1.0]]),
        write_j=np.array([[1.0, 5.0]]),
        read_s=np.ones((1, 2)),
        write_s=np.ones((1, 2)),
        prompt_bytes=one,
        cache_bytes=100 * one,
        answer_bytes=one,
        first_token_limit_s=far,
        answer_limit_s=far,
    )

    def sites(net: float) -> Sites:
        zero = np.zeros(2)
        return Sites(
            np.full(2, 360.0), zero, np.full(2, 10.0), zero, zero, np.zeros((2, 2)), np.zeros((2, 2)), net
        )

    cheap = split_routes(requests, sites(0.001), whole_routes(requests, sites(0.001)))
    assert (cheap.reads_at[0], cheap.writes_at[0]) == (1, 0)
    assert cheap.grams == pytest.approx((1.0 + 1.0 + 0.101) * 1e-4)
    dear = split_routes(requests, sites(1.0), whole_routes(requests, sites(1.0)))
    assert dear.reads_at[0] == dear.writes_at[0] == 1
    assert break_even_j_per_byte(10.0, 360.0, 1.0, 360.0, 100.0) == pytest.approx(0.09)
    assert break_even_j_per_byte(10.0, 360.0, 1.0, 3600.0, 100.0) == 0.0


def test_arrays_that_do_not_fit_are_refused() -> None:
    requests, sites = world(0)
    values = {name: getattr(requests, name) for name in Requests.__dataclass_fields__}
    with pytest.raises(ValueError, match="read_s has the shape"):
        Requests(**values | {"read_s": requests.read_s[:, :2]})
    with pytest.raises(ValueError, match="allowed are 12 nodes of 0 to 3"):
        Requests(**values | {"home": requests.home + 4})
    with pytest.raises(ValueError, match="green_j is"):
        Sites(
            **{name: getattr(sites, name) for name in Sites.__dataclass_fields__}
            | {"green_j": -sites.green_j}
        )
