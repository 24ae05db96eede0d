"""Conversation of a slot's market with its nodes: questions out, offers in; nodes without an answer are dropped. Pure.

The conversation is not durable and need not be: nothing in it binds a node. Only the agreement is binding. It becomes
the slot's decision and is in the ledger before any node gets it. A coordinator that dies in between opens the market
again under its next epoch.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from coordinator.negotiation.table import Agreed, Market, Negotiating, Questions, Table
from coordinator.policies.guard import LONGEST_STATUS
from coordinator.slots.protocol import Effects, Refused
from protos import codec
from protos.messages.market import MarketCall, MarketNews, Offers
from protos.validation import safe_text

log = logging.getLogger(__name__)

TableOf = Callable[[Sequence[str], int], Table]
"""(nodes, attempt) to the table they sit at."""


@dataclass
class Said:
    """Messages of the conversation, by node, every attempt included: each question and each accepted answer once.

    So the figures are a function of the messages, the same on every fleet. Messages repeated after a broken stream
    cost bytes too, but how often streams break is no part of a market: repeats are in the log only.
    """

    rounds: int = 0
    """Of questions and answers."""
    messages: int = 0
    down_bytes: dict[str, int] = field(default_factory=dict)
    up_bytes: dict[str, int] = field(default_factory=dict)

    def asked(self, questions: Sequence[MarketCall | MarketNews]) -> None:
        """A round's questions. Raises ProtocolError where one cannot be sent: then none counts."""
        sizes = [(question.node_id, len(codec.encode_down(question))) for question in questions]
        self.rounds += 1
        self.messages += len(sizes)
        for node, size in sizes:
            self.down_bytes[node] = self.down_bytes.get(node, 0) + size

    def heard(self, offers: Offers) -> None:
        size, node = len(codec.encode_up(offers)), offers.node_id
        self.messages += 1
        self.up_bytes[node] = self.up_bytes.get(node, 0) + size

    def body(self) -> dict[str, Any]:
        """As the ledger keeps it."""
        return {
            "rounds": self.rounds,
            "messages": self.messages,
            "down_bytes": dict(self.down_bytes),
            "up_bytes": dict(self.up_bytes),
        }


class Conversation:
    """One slot's market. Not thread-safe: one caller at a time."""

    def __init__(self, policy: Negotiating, state: Any, table_of: TableOf, nodes: Sequence[str]) -> None:
        self._policy, self._state, self._table_of = policy, state, table_of
        self.said = Said()
        self.agreed: Agreed | None = None
        """Set once the market has closed."""
        self.dropped: list[str] = []
        """Nodes that did not answer in time, or broke the conversation."""
        self._attempt = 0
        self._begin(tuple(nodes))

    def _begin(self, nodes: tuple[str, ...]) -> None:
        self.nodes = nodes
        self._offers: dict[str, Offers] = {}
        self._questions: dict[str, MarketCall | MarketNews] = {}
        self.table = self._table_of(nodes, self._attempt)
        self._advance(lambda: self._open())

    def _open(self) -> Questions:
        self._market: Market = self._policy.negotiate(self.table, self._state)
        return next(self._market)

    def _advance(self, step: Callable[[], Questions]) -> None:
        try:
            questions = step()
            self.said.asked(questions)
        except StopIteration as stop:
            self.agreed, self._questions = stop.value, {}
            return
        except Exception as error:  # user markets may raise; the slot goes on, and says so
            why = " ".join(f"{type(error).__name__}: {error}".split())
            self.give_up(f"{self._policy.name} came to no agreement ({why})")
            return
        self._offers = {}
        self._questions = {question.node_id: question for question in questions}

    def give_up(self, why: str) -> None:
        """Close the market without a trade: every node for itself, and the status says so."""
        status = safe_text(f"fallback: nobody trades, for {why}", LONGEST_STATUS)
        self.agreed, self._questions = Agreed.nothing(status), {}

    def miss(self, status: str) -> None:
        """Close the market before anybody was asked."""
        self.said = Said()
        self.agreed, self._questions = Agreed.nothing(status), {}

    # --- questions and answers -----------------------------------------------------------------------------

    def questions(self) -> Effects:
        """Questions to the nodes that have not answered the current round."""
        return Effects((), tuple((node, self._questions[node]) for node in self.awaiting()))

    def question_for(self, node: str) -> MarketCall | MarketNews | None:
        """The open question to a node that has come back, if any."""
        question = self._questions.get(node) if self.awaiting((node,)) else None
        if question is not None:
            log.info("%s is asked again by the market of slot %d: it came back", node, question.slot)
        return question

    def awaiting(self, among: Sequence[str] | None = None) -> tuple[str, ...]:
        """Nodes that owe an answer; ``among``: of these alone."""
        return tuple(
            node
            for node in (self.nodes if among is None else among)
            if node in self._questions and node not in self._offers and node not in self.dropped
        )

    def take(self, offers: Offers) -> None:
        """An answer. The first stands: a repeat of it changes nothing, another content is refused.

        Raises Refused for offers of another conversation.
        """
        question = self._questions.get(offers.node_id)
        asked = None if question is None else _place(question)
        said = offers.epoch, offers.slot, offers.attempt, offers.round
        if said != asked:
            raise Refused(
                "stale_offers", f"offers of (epoch, slot, attempt, round) {said}; asked was {asked}"
            )
        known = self._offers.get(offers.node_id)
        if known is None:
            self.said.heard(offers)
            self._offers[offers.node_id] = offers
        elif known == offers:
            log.info("%s repeated its offers of slot %d", offers.node_id, offers.slot)
        else:
            raise Refused(
                "offers_conflict", f"{offers.node_id} offered otherwise in round {offers.round} before"
            )

    def leave(self, node: str) -> None:
        """A node is out of this slot's market (a new start of it knows nothing of the conversation)."""
        if node in self.nodes and node not in self.dropped and self.agreed is None:
            self.dropped.append(node)

    def step(self) -> bool:
        """Go on with what was answered; False once the market has closed.

        A node that owes an answer is dropped, and the market opens again among the others.
        """
        for node in self.awaiting():
            self.dropped.append(node)
        left = tuple(node for node in self.nodes if node not in self.dropped)
        if len(left) < len(self.nodes):
            self._attempt += 1
            if not left:
                self.nodes = ()
                self.give_up("no node answered the market")
                return False
            self._begin(left)
        else:
            offers = [self._offers[node] for node in self.nodes]
            self._advance(lambda: self._market.send(offers))
        return self.agreed is None


def _place(question: MarketCall | MarketNews) -> tuple[int, int, int, int]:
    round_ = question.round if isinstance(question, MarketNews) else 0
    return question.epoch, question.slot, question.attempt, round_
