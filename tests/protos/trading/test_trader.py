"""A node's trader in one slot: turns private state into steps of supply and demand curves."""

from __future__ import annotations

import numpy as np
from hypothesis import given

from protos.messages.market import (
    MarketTerms,
    Side,
)
from protos.trading.own import Own
from protos.trading.trader import Trader
from tests.protos.trading.nodes import OWNS, TERMS, own, terms


@given(OWNS, TERMS)
def test_a_traders_bids_lie_below_its_asks(mine: Own, public: MarketTerms) -> None:
    """No node trades with itself, in any private state."""
    trader = Trader(mine, public)
    for quotes in (trader.work_quotes(), trader.energy_quotes()):
        asks = [quote.price_g for quote in quotes if quote.side is Side.ASK]
        bids = [quote.price_g for quote in quotes if quote.side is Side.BID]
        overload = trader.work.available > trader.work.capacity
        if asks and bids and not overload:
            assert max(bids) <= min(asks) * (1 + 1e-9) + 1e-15


@given(OWNS, TERMS)
def test_no_trader_offers_more_than_its_surplus_or_room(mine: Own, public: MarketTerms) -> None:
    trader = Trader(mine, public)
    work = trader.work_quotes()
    assert sum(q.quantity for q in work if q.side is Side.BID) <= trader.work.may_leave
    spare = max(trader.work.capacity - trader.work.available, 0)
    assert sum(q.quantity for q in work if q.side is Side.ASK) <= min(spare, trader.work.guest_room)
    asked = sum(q.quantity for q in trader.energy_quotes() if q.side is Side.ASK)
    assert asked <= public.transfer_cap_fraction * mine.harvest_j[0] * mine.export_efficiency * (1 + 1e-12)


def test_a_full_battery_asks_nothing_for_its_surplus() -> None:
    trader = Trader(
        own(battery_j=600.0, self_discharge_fraction=0.0, harvest_j=np.array([900.0, 0.0])), terms()
    )
    first = next(quote for quote in trader.energy_quotes() if quote.side is Side.ASK)
    assert first.price_g == 0.0
