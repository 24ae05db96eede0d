"""DAT and DETA with hand-over: of requests to a language model, some are read by their owner and answered elsewhere.

The plan is DAT's or DETA's, of whole batches. Then, batch by batch, the rule of coordinator.market.token_routes: the
bytes of the prompts' caches against the joules and grams of reading. For other work the decision is as without it.
"""

from __future__ import annotations

from typing import ClassVar

from coordinator.market.decision import FleetDecision
from coordinator.market.fleet import Fleet
from coordinator.market.hand_over import with_hand_over
from coordinator.market.outlook import Outlook
from coordinator.policies.dat import Dat
from coordinator.policies.deta import Deta
from protos.validation import MAX_PARCEL_BYTES


class DatHandOver(Dat):
    """DAT with hand-over: batches of requests move to cleaner nodes, whole or after their owner has read them; energy
    stays."""

    name: ClassVar[str] = "dat-hand-over"

    def decide(self, fleet: Fleet, state: Outlook | None) -> tuple[FleetDecision, Outlook | None]:
        """See ModelPolicy; then batches are handed over."""
        decision, state = super().decide(fleet, state)
        return with_hand_over(fleet, decision, MAX_PARCEL_BYTES), state


class DetaHandOver(Deta):
    """DETA with hand-over: energy moves, and batches of requests, whole or after their owner has read them."""

    name: ClassVar[str] = "deta-hand-over"

    def decide(self, fleet: Fleet, state: Outlook | None) -> tuple[FleetDecision, Outlook | None]:
        """See ModelPolicy; then batches are handed over."""
        decision, state = super().decide(fleet, state)
        return with_hand_over(fleet, decision, MAX_PARCEL_BYTES), state
