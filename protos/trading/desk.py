"""A node's desk in a slot's market: takes the market's questions, returns Offers; a repeat gets the same answer."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from protos.messages.market import MarketCall, MarketKind, MarketNews, Offers
from protos.trading.own import Managed, Own
from protos.trading.trader import Trader

if TYPE_CHECKING:
    from protos.trading.exchange_agent import ExchangeAgent


class DeskError(ValueError):
    """A question that does not follow from the conversation so far."""


class Desk:
    """One node in one slot's market. ``own`` never leaves this object.

    A call with a higher (epoch, attempt) starts a new conversation: the market was opened again without a node that did
    not answer, or after a restart of the coordinator.
    """

    def __init__(self, own: Own) -> None:
        self._own = own
        self._session: tuple[int, int] = (-1, -1)
        self._round = -1
        self._said: Offers | None = None
        self.trader: Trader | None = None
        self._agent: ExchangeAgent | None = None

    def copy(self) -> Desk:
        """A desk of its own in the same conversation."""
        desk = copy.copy(self)
        desk._agent = copy.copy(self._agent)  # it replaces what it holds
        if self.trader is not None:
            desk.trader = copy.copy(self.trader)
            desk.trader.filled = copy.copy(self.trader.filled)
        return desk

    @property
    def session(self) -> tuple[int, int]:
        """(epoch, attempt) of the conversation; (-1, -1) before the first."""
        return self._session

    def answer(self, question: MarketCall | MarketNews) -> Offers:
        """The node's answer to a question of the market.

        Raises DeskError for news of a conversation or round that this desk is not in.
        """
        session = question.epoch, question.attempt
        if isinstance(question, MarketCall):
            if session == self._session and self._said is not None and self._round == 0:
                return self._said
            if session <= self._session:
                raise DeskError(f"call of session {session}; this desk is in {self._session}")
            self._session, self._round = session, 0
            return self._say(question, self._open(question))
        if session == self._session and question.round == self._round and self._said is not None:
            return self._said
        if session != self._session or question.round != self._round + 1:
            raise DeskError(
                f"news of session {session}, round {question.round}; this desk is in {self._session}, round "
                f"{self._round}, and expects the next round"
            )
        self._round = question.round
        return self._say(question, self._hear(question))

    def managed(self, sent_batches: int, guest_batches: int) -> Managed:
        """The node's own plan, given the batches that leave and arrive. Raises DeskError before any conversation."""
        if self._agent is not None:
            return self._agent.managed(sent_batches, guest_batches)
        if self.trader is None:
            raise DeskError("this desk has had no market call; managed() needs a conversation first")
        return self.trader.managed(sent_batches, guest_batches)

    def _open(self, call: MarketCall) -> Offers:
        head = call.node_id, call.epoch, call.slot, call.attempt, 0
        if call.terms.kind is MarketKind.EXCHANGE:
            # Only here: it needs scipy, which a board in no such market goes without.
            from protos.trading.exchange_agent import ExchangeAgent

            self.trader, self._agent = None, ExchangeAgent(self._own, call.terms)
            return Offers(*head, trades=self._agent.propose())
        self.trader, self._agent = Trader(self._own, call.terms), None
        return Offers(*head, quotes=tuple(self.trader.work_quotes()))

    def _hear(self, news: MarketNews) -> Offers:
        head = news.node_id, news.epoch, news.slot, news.attempt, news.round
        if self._agent is not None:
            if news.firm:
                return Offers(*head, quotes=self._agent.firm())
            self._agent.hear(news.mean_trades, news.rho_factor)
            return Offers(*head, trades=self._agent.propose())
        assert self.trader is not None
        self.trader.take(news.fills)
        return Offers(*head, quotes=tuple(self.trader.energy_quotes()))

    def _say(self, question: MarketCall | MarketNews, offers: Offers) -> Offers:
        self._said = offers
        return offers
