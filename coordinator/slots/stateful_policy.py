"""The run's policy with its state, live and after a restart. Pure."""

from __future__ import annotations

from typing import Any

from coordinator.ledger.entry import Entry, Kind
from coordinator.negotiation.table import Negotiating
from coordinator.policies.base import Policy
from coordinator.policies.guard import MISSED, REPLACED, choose, first_state
from coordinator.slots.books import Books
from coordinator.slots.fleet_view import fleet_of


class StatefulPolicy:
    """``state`` is what the policy will be given for the next slot.

    A restarted coordinator finds it again from the past decisions in the ledger (``replay``), so that the policy goes
    on as if nothing had happened.
    """

    def __init__(self, policy: Policy, books: Books) -> None:
        self.policy = policy
        self.state: Any = first_state(policy, books.config.seed)
        self._books = books

    @property
    def negotiates(self) -> bool:
        """Whether the policy does without complete information: nodes are then asked, and send no telemetry."""
        return isinstance(self.policy, Negotiating)

    def replay(self, decided: Entry) -> None:
        """Take up a past decision; call it before the books apply the entry, and again in the order of the ledger."""
        if decided.kind is not Kind.DECISION:
            return
        if decided.body.get("market") is not None:
            self.state = self.recalled(decided)
        else:
            self._follow(decided)

    def recalled(self, decided: Entry) -> Any:
        """The state after a negotiated slot, from what the market left on record."""
        assert isinstance(self.policy, Negotiating)
        assert decided.slot is not None
        ids, record = tuple(decided.body["node_ids"]), decided.body["market"]["record"]
        return self.policy.recall(ids, decided.slot, self.state, record)

    def _follow(self, decided: Entry) -> None:
        """The state after a past decision; the choice itself is in the ledger. A policy that can ``follow`` is not
        asked to decide again."""
        follow = getattr(self.policy, "follow", None)
        if decided.body["plan"]["status"].startswith(MISSED) or (follow is None and self.state is None):
            return
        fleet = fleet_of(self._books, decided.body["node_ids"])
        if follow is None:
            _, self.state = choose(self.policy, self.state, fleet, lambda: 0.0)
        elif not decided.body["plan"]["status"].startswith(REPLACED):
            self.state = follow(fleet, self.state)
