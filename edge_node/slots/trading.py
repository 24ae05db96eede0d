"""A node in a slot's market: its own state in, answers out, then its own part of the slot's decision. Pure.

The mathematics is protos.trading; this is where a node's battery, harvest and backlog enter it, and they go no further.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from carbon_data.units import from_micro
from edge_node.slots.backlog import Backlog, Batch
from protos.messages.market import MarketCall, MarketNews, Offers
from protos.messages.stream import NodeProfile
from protos.messages.terms import Stage
from protos.messages.work import WorkProfile
from protos.trading.desk import Desk
from protos.trading.own import Managed, Own


class OffloadRoom:
    """How many batches of each release went elsewhere: what (D5) leaves of b_y d_i(r)."""

    def __init__(self) -> None:
        self._sent: dict[int, int] = {}
        """By slot of release."""

    def add(self, batches: Sequence[Batch]) -> None:
        for batch in batches:
            self._sent[batch.released] = self._sent.get(batch.released, 0) + 1

    def sent(self) -> tuple[tuple[int, int], ...]:
        """(slot of release, batches that left)."""
        return tuple(sorted(self._sent.items()))

    def recall(self, sent: Sequence[tuple[int, int]]) -> None:
        """Take up what another start of the node had sent."""
        self._sent = dict(sent)

    def batches(self, backlog: Backlog, stage: Stage, cap_fraction: float) -> dict[int, int]:
        """Batches by release slot that may still leave."""
        releases = {batch.released for batch in backlog.waiting(stage)}
        return {
            slot: max(
                math.floor(cap_fraction * backlog.released_in(slot) + 1e-9) - self._sent.get(slot, 0),
                0,
            )
            for slot in releases
        }

    def choose(self, backlog: Backlog, stage: Stage, cap_fraction: float, count: int) -> list[Batch]:
        """Up to ``count`` waiting batches to send, least urgent first, within (D5)."""
        room = self.batches(backlog, stage, cap_fraction)
        chosen: list[Batch] = []
        for batch in reversed(backlog.waiting(stage)):
            if len(chosen) == count:
                break
            if room[batch.released] > 0:
                room[batch.released] -= 1
                chosen.append(batch)
        return chosen[::-1]


def own_of(
    profile: NodeProfile,
    *,
    slot: int,
    slot_s: float,
    stages: Sequence[Stage],
    battery_uj: int,
    harvest_uj: Sequence[int],
    backlog: Backlog,
    room: OffloadRoom,
    cap_fraction: float,
    wake_s: float,
) -> Own:
    """The trader's private state. ``stages``: of the look-ahead, the slot itself first."""
    work = {one.stage: one for one in profile.work}
    bodies = [work.get(stage, WorkProfile(stage, 0.0, 0.0, 0)) for stage in stages]
    counts = backlog.counts(slot)
    left, by_class = room.batches(backlog, stages[0], cap_fraction), [0] * len(counts)
    for batch in reversed(backlog.waiting(stages[0])):
        if left[batch.released] > 0:
            left[batch.released] -= 1
            by_class[batch.deadline - slot] += 1
    return Own(
        slot_s=slot_s,
        harvest_j=np.array([from_micro(uj) for uj in harvest_uj]),
        battery_j=from_micro(battery_uj),
        backlog_batches=counts,
        room_batches=tuple(by_class),
        release_batches=backlog.forecast(slot, len(stages)),
        static_w=profile.static_w,
        seconds_per_batch=np.array([body.seconds_per_batch for body in bodies]),
        joules_per_batch=np.array([body.joules_per_batch for body in bodies]),
        model_j=np.array([body.model_j for body in bodies]),
        request_j=np.array([body.request_j for body in bodies]),
        tx_j_per_byte=profile.tx_j_per_byte,
        rx_j_per_byte=profile.rx_j_per_byte,
        storage_bytes=float(profile.storage_bytes),
        export_efficiency=1.0 - profile.export_loss_fraction,
        import_efficiency=1.0 - profile.import_loss_fraction,
        battery_capacity_j=from_micro(profile.battery_capacity_uj),
        charge_efficiency=profile.charge_efficiency_fraction,
        discharge_efficiency=profile.discharge_efficiency_fraction,
        self_discharge_fraction=profile.self_discharge_fraction,
        charge_limit_w=profile.charge_limit_w,
        discharge_limit_w=profile.discharge_limit_w,
        wake_s=wake_s,
        release_last_slots=tuple(
            backlog.deadline(released) - slot for released in range(slot + 1, slot + len(stages))
        ),
    )


class Conversation:
    """The node's desk in the market of one slot, and the question it has not answered yet."""

    def __init__(self) -> None:
        self._desk: Desk | None = None
        self._slot = -1
        self.cap_fraction = 0.0
        """b_y, as the market's terms give it."""
        self.question: MarketCall | MarketNews | None = None
        """The last question, answered or not."""
        self.answered = True
        self._said: Offers | None = None

    STATE = ("_desk", "_slot", "cap_fraction", "question", "answered", "_said")
    """What a call changes; a desk is replaced by the one that has answered."""

    def hear(self, question: MarketCall | MarketNews) -> None:
        """Keep a question until the node is in its slot."""
        self.question, self.answered = question, False
        if isinstance(question, MarketCall):
            self.cap_fraction = question.terms.offload_cap_fraction

    def is_new(self, slot: int) -> bool:
        """Whether the desk of ``slot`` still has to be set up."""
        return self._desk is None or self._slot != slot

    def begin(self, slot: int, own: Own) -> None:
        self._desk, self._slot = Desk(own), slot

    def answer(self) -> tuple[Offers, bool]:
        """(answer to the waiting question, whether it was given before). Raises DeskError when the question does not
        follow from the conversation."""
        assert self._desk is not None
        assert self.question is not None
        self.answered = True
        desk = self._desk.copy()
        offers = desk.answer(self.question)
        self._desk = desk
        repeated, self._said = offers is self._said, offers
        return offers, repeated

    def managed(self, slot: int, sent_batches: int, offloaded_batches: int) -> Managed | None:
        """The node's own part of ``slot``; None where there was no conversation."""
        if self._desk is None or self._slot != slot or self._desk.session == (-1, -1):
            return None
        return self._desk.managed(sent_batches, offloaded_batches)
