"""Deciding a slot without complete information: open a market among live nodes, step it, adopt what was agreed."""

from __future__ import annotations

from collections.abc import Sequence

from coordinator.negotiation.table import Negotiating, Table
from coordinator.slots.books import Books
from coordinator.slots.conversation import Conversation
from coordinator.slots.decision_entry import market_entry
from coordinator.slots.fleet_view import build_table
from coordinator.slots.missed import STATUS
from coordinator.slots.protocol import Effects, Refused, RequestError, require_sendable
from coordinator.slots.schedule import Schedule
from coordinator.slots.sessions import Sessions
from coordinator.slots.stateful_policy import StatefulPolicy
from protos.messages.market import MarketCall, MarketNews, Offers
from protos.messages.runner import BeginSlot, SlotPlan


class MarketHost:
    """Holds the market of one slot at a time; nothing of it is durable until it is adopted."""

    def __init__(self, books: Books, sessions: Sessions, policy: StatefulPolicy, schedule: Schedule) -> None:
        self._books, self._sessions, self._policy, self._schedule = books, sessions, policy, schedule
        self.market: Conversation | None = None

    # --- the runner's calls, in their order ----------------------------------------------------------------

    def awaiting_nodes(self, among: Sequence[str] | None = None) -> tuple[str, ...]:
        """Before the first slot, nodes of the run that have not registered yet; afterwards none is waited for.
        ``among``: of these alone."""
        if self._books.next_slot:
            return ()
        nodes = self._books.config.node_ids if among is None else among
        live = set(self._sessions.living(nodes))
        return tuple(node for node in nodes if node not in live)

    def open(self) -> Effects:
        """Call all live nodes to the next slot's market; of a missed slot it closes unasked. Raises RequestError when
        there is none."""
        assert isinstance(self._policy.policy, Negotiating)
        nodes = tuple(node for node in self._sessions.live() if node in self._books.nodes)
        if not nodes:
            raise RequestError("no_nodes", "no live node is registered; the market has no node to ask")
        self.market = Conversation(self._policy.policy, self._policy.state, self._table, nodes)
        if self._schedule.is_missed:
            self.market.miss(STATUS)
        return self.market.questions()

    def _table(self, nodes: Sequence[str], attempt: int) -> Table:
        books = self._books
        profiles = {node: books.nodes[node].profile for node in nodes}
        return build_table(
            books.config,
            books.next_slot,
            profiles,
            books.intensity_g_per_kwh,
            books.epoch,
            attempt,
            books.zones.values(),
        )

    def awaiting_offers(self, among: Sequence[str] | None = None) -> tuple[str, ...]:
        """Live nodes that owe the market an answer; ``among``: of these alone."""
        return () if self.market is None else self._sessions.living(self.market.awaiting(among))

    def step(self, out_of_time: bool = False) -> Effects | None:
        """Go on with the answers that came; None once the market has closed. Nodes without an answer are dropped."""
        assert self.market is not None
        if out_of_time:
            self.market.give_up("the time for negotiating is over")
            return None
        open_still = self.market.agreed is None and self.market.step()
        return self.market.questions() if open_still else None

    def adopt(self, request: BeginSlot) -> tuple[SlotPlan, Effects]:
        """Make what was agreed the slot's decision: durable first, then sent. Raises RequestError without nodes."""
        market = self.market
        assert market is not None
        assert market.agreed is not None
        if not market.nodes:
            self.market = None
            raise RequestError("no_nodes", f"no node answered the market of slot {request.slot}")
        entry = market_entry(self._books, request, market, missed=self._schedule.is_missed)
        state = self._policy.recalled(entry)
        with self._books.together():
            effects = self._books.enter([entry])
            plan = require_sendable(self._books.slots[request.slot].plan)
            sends = tuple((decision.node_id, decision) for decision in plan.decisions)
        self._policy.state, self.market = state, None
        return plan, Effects(effects.entries, sends)

    # --- what nodes do meanwhile ---------------------------------------------------------------------------

    def take(self, message: Offers) -> Effects:
        """A node's answer to the market. Raises Refused."""
        if self.market is None:
            raise Refused("no_market", f"no market is open; offers of {message.node_id} came too late")
        self.market.take(message)
        return Effects()

    def leave(self, node: str) -> None:
        """A new start of ``node`` knows nothing of the conversation."""
        if self.market is not None:
            self.market.leave(node)

    def question_for(self, node: str) -> MarketCall | MarketNews | None:
        """The open question to a node that has come back, if any."""
        return None if self.market is None else self.market.question_for(node)
