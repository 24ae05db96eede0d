"""Bids, asks and offers of a market."""

from __future__ import annotations

from coordinator.negotiation.quote import Quote
from protos.messages.market import Good, Side


def ask(node: int, price: float, quantity: float = 1.0) -> Quote:
    return Quote(node, Good.ENERGY, Side.ASK, price, quantity)


def bid(node: int, price: float, quantity: float = 1.0) -> Quote:
    return Quote(node, Good.ENERGY, Side.BID, price, quantity)


def offers(given_j: dict[int, float], wanted_j: float) -> list[Quote]:
    return [
        *(Quote(node, Good.ENERGY, Side.ASK, 1e-6, amount) for node, amount in given_j.items()),
        Quote(3, Good.ENERGY, Side.BID, 1e-4, wanted_j),
    ]
