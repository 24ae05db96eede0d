"""One slot traded through a market of quotes: its questions, its rounds, its agreement, whole."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from coordinator.market.instances import reference_day
from coordinator.market.pairs import Pairs, no_transfers
from coordinator.negotiation.quote import Quote
from coordinator.negotiation.slot_market import Placed, auctioned, matched, slot_market
from coordinator.negotiation.table import Table
from protos.messages.market import Fill, Good, MarketKind, Offers, Side
from protos.messages.market import Quote as Said
from tests.coordinator.negotiation.quotes import ask, bid

ENERGY, WORK, ASK, BID = Good.ENERGY, Good.WORK, Side.ASK, Side.BID


def table() -> Table:
    made = Table.of(reference_day(1, nodes=3))
    return replace(made, slot=7, epoch=5, attempt=2, export_efficiency=np.array([0.8, 0.5, 0.9]))


def pairs(*rows: tuple[int, int, float]) -> Any:
    source, target, amount = zip(*rows, strict=True)
    return Pairs.of(np.array(source), np.array(target), np.array(amount))


def test_work_is_placed_first_and_then_energy_around_it() -> None:
    """n1 runs two batches of n0, n2 one of n1; n0 sends three joules to n2, which gets it for what the fills say."""
    at, seen = table(), []
    a, b, c = at.node_ids
    work = Placed(
        pairs((1, 0, 2.0), (2, 1, 1.0)),
        [
            [Fill(WORK, BID, 0.5, 2.0)],
            [Fill(WORK, ASK, 0.25, 2.0), Fill(WORK, BID, 0.125, 1.0)],
            [Fill(WORK, ASK, 0.125, 1.0)],
        ],
    )
    energy = Placed(pairs((0, 2, 3.0)), [[Fill(ENERGY, ASK, 2.0, 3.0)], [], [Fill(ENERGY, BID, 4.0, 3.0)]])

    def place(where: Table, quotes: list[Quote]) -> Placed:
        assert where is at
        seen.append(quotes)
        return work if len(seen) == 1 else energy

    def answers(round_: int) -> list[Offers]:
        """Each node quotes both goods in both rounds; prices tell them apart."""
        return [
            Offers(
                node,
                5,
                7,
                2,
                round_,
                (Said(WORK, BID, 10.0 * i + round_, 1.0 + i), Said(ENERGY, ASK, 20.0 * i + round_, 2.0 + i)),
            )
            for i, node in enumerate(at.node_ids)
        ]

    terms = [at.terms(i, MarketKind.QUOTES) for i in range(3)]
    market = slot_market(at, terms, place)
    assert next(market) == [at.call(i, said) for i, said in enumerate(terms)]
    assert seen == []
    news = market.send(answers(0))
    assert news == [at.news(i, 1, tuple(work.fills[i])) for i in range(3)]
    assert seen == [[Quote(i, WORK, BID, 10.0 * i, 1.0 + i) for i in range(3)]]
    with pytest.raises(StopIteration) as stopped:
        market.send(answers(1))
    assert seen[1:] == [[Quote(i, ENERGY, ASK, 20.0 * i + 1, 2.0 + i) for i in range(3)]]
    agreed = stopped.value.value
    assert list(agreed.moves.rows()) == [(0, 1, 2), (1, 2, 1)], "from owner to executor"
    assert list(agreed.transfers.rows()) == [(0, 2, 3.0 / 0.8)], "as it leaves the donor"
    assert agreed.status == "rule: negotiated"
    assert agreed.notes == {
        "traded_j": 3.0,
        "traded_batches": 3.0,
        "work_price_g": (0.5 * 2.0 + 0.125 * 1.0) / 3.0,
        "energy_price_g": 4.0,
    }
    assert {type(value) for value in agreed.notes.values()} == {float}
    assert agreed.record == {
        "fills": {
            a: [["work", "bid", 0.5, 2.0], ["energy", "ask", 2.0, 3.0]],
            b: [["work", "ask", 0.25, 2.0], ["work", "bid", 0.125, 1.0]],
            c: [["work", "ask", 0.125, 1.0], ["energy", "bid", 4.0, 3.0]],
        },
        "energy_quotes": [[node, "ask", 20.0 * i + 1, 2.0 + i] for i, node in enumerate(at.node_ids)],
    }


@pytest.mark.parametrize("good", [WORK, ENERGY])
def test_a_market_in_which_one_good_alone_is_traded_has_one_price(good: Good) -> None:
    at, rounds = table(), []
    some = Placed(pairs((1, 0, 1.0)), [[Fill(good, BID, 0.5, 1.0)], [Fill(good, ASK, 0.5, 1.0)], []])
    nothing = Placed(no_transfers(), [[], [], []])

    def place(where: Table, quotes: list[Quote]) -> Placed:
        rounds.append(quotes)
        return some if (len(rounds) == 1) is (good is WORK) else nothing

    market = slot_market(at, [at.terms(i, MarketKind.QUOTES) for i in range(3)], place)
    next(market)
    silent = [Offers(node, 5, 7, 2, 0) for node in at.node_ids]
    market.send(silent)
    with pytest.raises(StopIteration) as stopped:
        market.send(silent)
    agreed = stopped.value.value
    amounts = (0.0, 1.0) if good is WORK else (1.0, 0.0)
    assert agreed.notes == {
        "traded_j": amounts[0],
        "traded_batches": amounts[1],
        f"{good.value}_price_g": 0.5,
    }
    assert list(agreed.record["fills"]) == list(at.node_ids[:2]), "of those that trade"
    assert (len(agreed.moves), len(agreed.transfers)) == (int(amounts[1]), int(amounts[0]))


BOOK = [ask(0, 1.0, 2.0), bid(1, 5.0, 3.0), ask(2, 3.0, 2.0), bid(1, 2.0, 1.0)]
"""Node 1 buys three at 5, of which two from node 0 and one from node 2, at the midpoint of 5 and 3."""


def test_an_auction_fills_sellers_and_buyers_at_one_price() -> None:
    placed = auctioned(mcafee=False)(table(), BOOK)
    assert placed.fills == [
        [Fill(ENERGY, ASK, 4.0, 2.0)],
        [Fill(ENERGY, BID, 4.0, 3.0)],
        [Fill(ENERGY, ASK, 4.0, 1.0)],
    ]
    assert list(placed.given.rows()) == [(0, 1, 2.0), (2, 1, 1.0)]
    work = [replace(quote, good=WORK) for quote in BOOK]
    assert {fill.good for fills in auctioned(mcafee=False)(table(), work).fills for fill in fills} == {WORK}


def test_mcafees_rule_keeps_the_difference_between_buyers_and_sellers() -> None:
    """The marginal pair, 4 and 3, is left out: the others buy at 4 and sell at 3."""
    book = [ask(0, 1.0), bid(1, 9.0), ask(2, 3.0), bid(1, 4.0)]
    placed = auctioned(mcafee=True)(table(), book)
    assert placed.fills == [[Fill(ENERGY, ASK, 3.0, 1.0)], [Fill(ENERGY, BID, 4.0, 1.0)], []]
    assert list(placed.given.rows()) == [(0, 1, 1.0)]
    plain = auctioned(mcafee=False)(table(), book)
    assert [fill.price_g for fills in plain.fills for fill in fills] == [3.5, 3.5, 3.5]


@pytest.mark.parametrize("place", [auctioned(mcafee=False), auctioned(mcafee=True), matched])
def test_without_a_pair_that_gains_nothing_is_placed(place: Any) -> None:
    for book in ([], [ask(0, 1.0)], [bid(1, 1.0)], [ask(0, 5.0), bid(1, 4.0)]):
        placed = place(table(), book)
        assert placed.fills == [[], [], []]
        assert len(placed.given) == 0


def test_a_matching_fills_pair_by_pair_each_at_its_midpoint() -> None:
    """9 buys of 1 first, two at 5; then what is left of it buys of 3, one at 6; then 6 of 3, one at 4.5."""
    book = [bid(1, 9.0, 3.0), ask(0, 1.0, 2.0), bid(0, 6.0, 1.0), ask(2, 3.0, 5.0)]
    placed = matched(table(), book)
    assert placed.fills == [
        [Fill(ENERGY, ASK, 5.0, 2.0), Fill(ENERGY, BID, 4.5, 1.0)],
        [Fill(ENERGY, BID, 5.0, 2.0), Fill(ENERGY, BID, 6.0, 1.0)],
        [Fill(ENERGY, ASK, 6.0, 1.0), Fill(ENERGY, ASK, 4.5, 1.0)],
    ]
    assert list(placed.given.rows()) == [(0, 1, 2.0), (2, 0, 1.0), (2, 1, 1.0)]
    work = matched(table(), [replace(quote, good=WORK) for quote in book])
    assert {fill.good for fills in work.fills for fill in fills} == {WORK}
