"""Traders and desks: quotes follow from private state, and no fill makes a trader worse off."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protos.messages.market import (
    Fill,
    Good,
    MarketCall,
    MarketKind,
    MarketNews,
    MarketTerms,
    Offers,
    Quote,
    Side,
)
from protos.trading.desk import Desk, DeskError
from protos.trading.own import Own
from protos.trading.trader import Trader


def terms(slots: int = 2, **changes: object) -> MarketTerms:
    values = {
        "kind": MarketKind.QUOTES,
        "intensity_g_per_kwh": tuple(300.0 + 50.0 * t for t in range(slots)),
        "later_g_per_kwh": 250.0,
        "scarcity": (),
        "offload_cap_fraction": 0.5,
        "transfer_cap_fraction": 0.5,
        "net_j_per_byte": 1e-8,
        "bytes_per_batch": (50_000.0,) * slots,
        "offloadable": (True,) * slots,
    }
    return MarketTerms(**(values | changes))  # type: ignore[arg-type]


def own(slots: int = 2, **changes: object) -> Own:
    values = {
        "slot_s": 60.0,
        "harvest_j": np.full(slots, 100.0),
        "battery_j": 200.0,
        "backlog_batches": (20,),
        "room_batches": (10,),
        "release_batches": (20,) * (slots - 1),
        "static_w": 2.0,
        "seconds_per_batch": np.full(slots, 1.5),
        "joules_per_batch": np.full(slots, 5.0),
        "tx_j_per_byte": 3e-7,
        "rx_j_per_byte": 2e-7,
        "storage_bytes": 1e9,
        "export_efficiency": 0.97,
        "import_efficiency": 0.96,
        "battery_capacity_j": 600.0,
        "charge_efficiency": 0.95,
        "discharge_efficiency": 0.94,
        "self_discharge_fraction": 0.001,
        "charge_limit_w": 8.0,
        "discharge_limit_w": 8.0,
    }
    return Own(**(values | changes))  # type: ignore[arg-type]


OWNS = st.builds(
    lambda harvest, battery, backlog, capacity, room: own(
        harvest_j=np.array([harvest, harvest]),
        battery_capacity_j=capacity,
        battery_j=battery * capacity,
        backlog_batches=(backlog,),
        room_batches=(min(room, backlog),),
    ),
    st.floats(0, 900),
    st.floats(0, 1),
    st.integers(0, 50),
    st.sampled_from([0.0, 300.0, 2000.0]),
    st.integers(0, 50),
)
TERMS = st.builds(
    lambda now, next_, later: terms(intensity_g_per_kwh=(now, next_), later_g_per_kwh=later),
    st.floats(1, 900),
    st.floats(1, 900),
    st.floats(0, 900),
)


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


def test_a_full_battery_asks_nothing_for_its_surplus() -> None:
    trader = Trader(
        own(battery_j=600.0, self_discharge_fraction=0.0, harvest_j=np.array([900.0, 0.0])), terms()
    )
    first = next(quote for quote in trader.energy_quotes() if quote.side is Side.ASK)
    assert first.price_g == 0.0


def call(attempt: int = 0, epoch: int = 1) -> MarketCall:
    return MarketCall("n1", epoch, 4, attempt, terms())


def test_the_same_question_gets_the_same_answer_and_no_other_does() -> None:
    desk = Desk(own())
    first = desk.answer(call())
    assert desk.answer(call()) == first
    assert first.quotes
    news = MarketNews("n1", 1, 4, 0, 1, (Fill(Good.WORK, Side.BID, 1e-4, 2.0),))
    second = desk.answer(news)
    assert desk.answer(news) == second
    for stale in (call(), MarketNews("n1", 1, 4, 0, 3), MarketNews("n1", 0, 4, 0, 2)):
        with pytest.raises(DeskError):
            desk.answer(stale)


@pytest.mark.parametrize("reopening", [call(attempt=1), call(epoch=2)])
def test_a_market_opened_again_discards_earlier_fills(reopening: MarketCall) -> None:
    desk = Desk(own())
    first = desk.answer(call())
    desk.answer(MarketNews("n1", 1, 4, 0, 1, (Fill(Good.WORK, Side.BID, 1e-4, 2.0),)))
    again = desk.answer(reopening)
    assert isinstance(again, Offers)
    assert again.quotes == first.quotes
    assert (again.epoch, again.attempt) == (reopening.epoch, reopening.attempt)


def test_offers_do_not_depend_on_quantities_that_no_quote_uses() -> None:
    """Two nodes that differ only in private quantities that no quote uses send the same offers."""
    dark = own(harvest_j=np.zeros(2), battery_capacity_j=0.0, battery_j=0.0)
    alike = replace(dark, release_batches=(3,))
    assert Desk(dark).answer(call()) == Desk(alike).answer(call())
    assert all(isinstance(quote, Quote) for quote in Desk(dark).answer(call()).quotes)
