"""A node's desk in a slot's market: takes the market's questions, returns Offers; a repeat gets the same answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from protos.messages.market import (
    Fill,
    Good,
    MarketCall,
    MarketNews,
    Offers,
    Quote,
    Side,
)
from protos.trading.desk import Desk, DeskError
from tests.protos.trading.nodes import own, terms


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
