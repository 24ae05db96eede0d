"""No fill makes a trader worse off."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from protos.messages.market import (
    Fill,
    Good,
    MarketTerms,
    Side,
)
from protos.trading.own import Own
from protos.trading.trader import Trader
from tests.protos.trading.nodes import OWNS, TERMS


@given(OWNS, TERMS, st.data())
def test_no_fill_at_or_better_than_the_quotes_leaves_a_node_worse_off(
    mine: Own, public: MarketTerms, data: st.DataObject
) -> None:
    """Individual rationality in grams: the cost of a fill minus its payment is never more
    than the cost without trade."""
    trader = Trader(mine, public)
    alone = trader.cost_g(trader.load_now_j())
    quotes = trader.work_quotes()
    side = data.draw(st.sampled_from(Side))
    steps = [quote for quote in quotes if quote.side is side]
    if not steps or trader.work.available > trader.work.capacity:
        return
    count = data.draw(st.integers(1, int(sum(quote.quantity for quote in steps))))
    reached, price = 0.0, 0.0
    for quote in steps:  # the worst price at which a uniform-price market may fill so many
        if reached >= count:
            break
        reached, price = reached + quote.quantity, quote.price_g
    trader.take([Fill(Good.WORK, side, price, float(count))])
    network = trader.network_g * count
    after = trader.cost_g(trader.load_now_j()) + trader.filled.paid_g + network
    assert after <= alone + 1e-12 + 1e-9 * abs(alone)
