"""Quotes: steps of traders' curves, by index of the trader. All that the market sees of them; public."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from protos.messages.market import Good, Offers, Side


@dataclass(frozen=True, slots=True)
class Quote:
    """One step of a node's supply or demand curve."""

    node: int
    """Place at the table."""
    good: Good
    side: Side
    price: float
    """g CO2e per J in the hub, or per batch."""
    quantity: float


def quotes_of(offers: Sequence[Offers], good: Good) -> list[Quote]:
    """All quotes of one good, in the order of the table."""
    return [
        Quote(place, quote.good, quote.side, quote.price_g, quote.quantity)
        for place, offer in enumerate(offers)
        for quote in offer.quotes
        if quote.good is good
    ]
