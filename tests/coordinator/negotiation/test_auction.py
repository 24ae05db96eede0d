"""The double auction and the matching, on hand-computed books and as properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.negotiation import auction
from coordinator.negotiation.auction import EMPTY, Clearing, clear
from coordinator.negotiation.quote import Quote
from protos.messages.market import Good, Side
from tests.coordinator.negotiation.quotes import ask, bid

BOOK = [
    bid(10, 9.0),
    bid(11, 7.0),
    bid(12, 5.0),
    bid(13, 2.0),
    ask(0, 1.0),
    ask(1, 3.0),
    ask(2, 4.0),
    ask(3, 6.0),
]
"""Three pairs trade (9-1, 7-3, 5-4); the first that does not is 2-6."""


def test_marginal_midpoint() -> None:
    found = clear(BOOK)
    assert found.sold == {0: 1.0, 1: 1.0, 2: 1.0}
    assert found.bought == {10: 1.0, 11: 1.0, 12: 1.0}
    assert found.buyer_price == found.seller_price == 4.5


def test_mcafee_prices_by_the_first_excluded_pair_where_the_marginal_one_accepts() -> None:
    found = clear(BOOK, mcafee=True)  # (2 + 6) / 2 = 4, and 4 <= 4 <= 5
    assert found.buyer_price == found.seller_price == 4.0
    assert found.quantity == 3.0


def test_mcafee_gives_up_the_marginal_pair_otherwise() -> None:
    book = [quote for quote in BOOK if quote.node != 13] + [
        bid(13, 3.9)
    ]  # (3.9 + 6) / 2 = 4.95: accepted by 5, 4
    assert clear(book, mcafee=True).quantity == 3.0
    book = [quote for quote in BOOK if quote.node != 3] + [ask(3, 9.0)]  # (2 + 9) / 2 = 5.5 > 5: refused
    found = clear(book, mcafee=True)
    assert set(found.sold) == {0, 1}
    assert set(found.bought) == {10, 11}
    assert found.buyer_price == 5.0
    assert found.seller_price == 4.0


def test_quantities_are_split_at_the_margin() -> None:
    found = clear([bid(1, 5.0, 3.0), ask(2, 1.0, 2.0), ask(3, 2.0, 2.0)])
    assert found.sold == {2: 2.0, 3: 1.0}
    assert found.bought == {1: 3.0}


QUOTES = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from(Side), st.floats(0, 10), st.floats(0.01, 5)), max_size=20
)


@given(QUOTES, st.booleans())
def test_no_trader_loses_and_payments_balance(
    quotes: list[tuple[int, Side, float, float]], mcafee: bool
) -> None:
    book = [Quote(node, Good.ENERGY, side, price, amount) for node, side, price, amount in quotes]
    found = clear(book, mcafee)
    assert sum(found.sold.values()) == pytest.approx(sum(found.bought.values()))
    assert found.buyer_price >= found.seller_price  # the market never pays in
    for node, amount in found.sold.items():
        willing = sum(
            q.quantity
            for q in book
            if q.node == node and q.side is Side.ASK and q.price <= found.seller_price
        )
        assert amount <= willing * (1 + 1e-9)
    for node, amount in found.bought.items():
        willing = sum(
            q.quantity for q in book if q.node == node and q.side is Side.BID and q.price >= found.buyer_price
        )
        assert amount <= willing * (1 + 1e-9)


@given(st.integers(0, 10**6))
def test_mcafees_rule_makes_the_true_value_the_best_bid(seed: int) -> None:
    """With one unit per trader, no trader gains by another price than its own value (McAfee's theorem)."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(0, 10, 8)
    sides = [Side.ASK] * 4 + [Side.BID] * 4
    liar = int(rng.integers(0, 8))

    def gain(said: float) -> float:
        prices = [said if node == liar else float(values[node]) for node in range(8)]
        book = [Quote(node, Good.ENERGY, sides[node], prices[node], 1.0) for node in range(8)]
        found = clear(book, mcafee=True)
        got, given_ = found.bought.get(liar, 0.0), found.sold.get(liar, 0.0)
        return got * (values[liar] - found.buyer_price) + given_ * (found.seller_price - values[liar])

    honest = gain(float(values[liar]))
    assert honest >= -1e-12
    for lie in rng.uniform(0, 10, 12):
        assert gain(float(lie)) <= honest + 1e-12


LOTS = [
    ask(0, 1.0, 2.0),
    bid(1, 9.0, 1.0),
    ask(2, 3.0, 2.0),
    bid(3, 8.0, 2.0),
    ask(0, 6.0, 5.0),
    bid(1, 2.5, 1.0),
    bid(4, 7.0, 0.0),
]
"""Bids of 9, 8, 8 and 2.5, asks of 1, 1, 3, 3 and 6: three units trade, 8 and 3 are the marginal pair."""


def test_a_clearing_by_hand() -> None:
    found = clear(LOTS)
    assert found == Clearing({0: 2.0, 2: 1.0}, {1: 1.0, 3: 2.0}, 5.5, 5.5)
    assert found.quantity == 3.0


def test_mcafees_price_by_hand() -> None:
    """The first pair outside bids 2.5 and asks 6: their midpoint lies between 3 and 8, and all three units trade."""
    assert clear(LOTS, mcafee=True) == Clearing({0: 2.0, 2: 1.0}, {1: 1.0, 3: 2.0}, 4.25, 4.25)
    dear = [*LOTS[:4], ask(0, 14.0, 5.0), LOTS[5]]
    # 8.25 is more than the marginal bid of 8: it is left out with the marginal ask, and the last seller sells one less
    assert clear(dear, mcafee=True) == Clearing({0: 1.0}, {1: 1.0}, 8.0, 3.0)
    alone = LOTS[:4]
    assert clear(alone, mcafee=True) == Clearing({0: 1.0}, {1: 1.0}, 8.0, 3.0)
    assert clear([ask(0, 1.0), bid(1, 2.0)], mcafee=True) == EMPTY
    assert clear([ask(0, 2.0), bid(1, 2.0)]) == EMPTY


@pytest.mark.parametrize(
    ("amounts", "total", "left"),
    [
        ([3.0, 2.0, 4.0], 6.0, [3.0, 2.0, 1.0]),
        ([3.0, 2.0, 4.0], 4.0, [3.0, 1.0, 0.0]),
        ([3.0, 2.0, 4.0], 2.0, [2.0, 0.0, 0.0]),
        ([3.0, 0.0, 4.0], 9.0, [3.0, 0.0, 4.0]),
        ([], 1.0, []),
    ],
)
def test_a_list_is_cut_from_its_end(amounts: list[float], total: float, left: list[float]) -> None:
    auction._ration(amounts, total)
    assert amounts == left


def test_mcafee_with_quantities_by_hand() -> None:
    """Bids 9 (2), 7 (2), 5 (3) of nodes 1, 2, 1; asks 1 (1), 3 (2), 4 (9) of nodes 5, 6, 5. Seven trade, the marginal
    pair is 5 with 4. Without one beyond, it is given up: four and three are left, three trade."""
    book = [
        bid(1, 9.0, 2.0),
        bid(2, 7.0, 2.0),
        bid(1, 5.0, 3.0),
        ask(5, 1.0, 1.0),
        ask(6, 3.0, 2.0),
        ask(5, 4.0, 9.0),
    ]
    plain = clear(book)
    assert (plain.sold, plain.bought) == ({5: 5.0, 6: 2.0}, {1: 5.0, 2: 2.0})
    assert plain.buyer_price == plain.seller_price == 4.5
    careful = clear(book, mcafee=True)
    assert (careful.sold, careful.bought) == ({5: 1.0, 6: 2.0}, {1: 2.0, 2: 1.0})
    assert (careful.buyer_price, careful.seller_price) == (5.0, 4.0)
    # the next pair, 2 with 6.5, would price at 4.25, which the marginal pair accepts; 1 with 9 would not: 5 is the most
    for next_bid, next_ask, price in ((2.0, 6.5, 4.25), (1.0, 9.0, 5.0), (1.0, 7.0, 4.0)):
        found = clear([*book, bid(3, next_bid, 1.0), ask(7, next_ask, 1.0)], mcafee=True)
        assert found.buyer_price == found.seller_price == price
        assert (found.sold, found.bought) == (plain.sold, plain.bought)
    for next_bid, next_ask in ((1.0, 9.5), (0.5, 7.0)):
        found = clear([*book, bid(3, next_bid, 1.0), ask(7, next_ask, 1.0)], mcafee=True)
        assert (found.buyer_price, found.seller_price, found.sold) == (5.0, 4.0, careful.sold)
    assert clear([bid(1, 9.0), ask(2, 1.0)], mcafee=True) == EMPTY
    assert clear([bid(1, 1.0), ask(2, 1.0)]) == EMPTY
