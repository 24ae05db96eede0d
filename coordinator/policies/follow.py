"""Users with conversations who move: their next turn is answered at the node that they are at, which reads the
conversation again (follow-prefill), gets its cache (follow-hand-over), or does what has fewer grams (follow-cheaper).

All else is as under LOCAL, and so is a slot in which no user has moved. The rule: coordinator.policies.followed.
"""

from __future__ import annotations

from typing import Any, ClassVar

from coordinator.market.decision import FleetDecision
from coordinator.market.fleet import Fleet
from coordinator.market.layout import Restrictions
from coordinator.policies.followed import Way, followed
from protos.validation import MAX_PARCEL_BYTES


class _Follow:
    """Turns are answered where their users are."""

    name: ClassVar[str]
    way: ClassVar[Way]
    follows_users: ClassVar[bool] = True
    uses_harvest = True
    restrictions = Restrictions(transfers=False, offloading=True, harvest=True)

    def init(self, seed: int) -> None:
        """No state."""

    def decide(self, fleet: Fleet, state: Any) -> tuple[FleetDecision, Any]:
        """The rule; infeasible only when a node's own time does not suffice for its own work."""
        return followed(fleet, self.way, MAX_PARCEL_BYTES), state


class FollowPrefill(_Follow):
    """Users' next turns are answered at the node that they have moved to, which reads the conversation again; else
    LOCAL."""

    name: ClassVar[str] = "follow-prefill"
    way: ClassVar[Way] = "prefill"


class FollowHandOver(_Follow):
    """Users' next turns are answered at the node that they have moved to, which gets the conversation's cache wherever
    that can be; else LOCAL."""

    name: ClassVar[str] = "follow-hand-over"
    way: ClassVar[Way] = "hand-over"


class FollowCheaper(_Follow):
    """Users' next turns are answered at the node that they have moved to, which gets the conversation's cache or reads
    it again: what has fewer grams; else LOCAL."""

    name: ClassVar[str] = "follow-cheaper"
    way: ClassVar[Way] = "cheaper"
