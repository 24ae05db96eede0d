"""A node's side of the markets that ask it: it answers questions, then decides its own part of the slot.

The mathematics is protos.trading, the private state edge_node.slots.trading; this ties both to the node's slots and
meter.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from carbon_data.units import to_micro
from edge_node.slots.backlog import Batch
from edge_node.slots.slot import SlotState
from edge_node.slots.state import NodeState
from edge_node.slots.trading import Conversation, OffloadRoom, own_of
from protos import codec
from protos.messages.market import MarketCall, MarketNews, Offers
from protos.messages.slot import Decision, OwnWork
from protos.messages.stream import NodeProfile
from protos.trading.desk import DeskError
from protos.trading.own import Managed, Own, Work

log = logging.getLogger(__name__)


class MarketSide:
    """A node's state of its markets. Not thread-safe: its node holds the lock.

    Args:
        node: The node's state; ``manage`` takes from its backlog.
        profile: Constants of the node, as it registers them.
    """

    def __init__(self, node: NodeState, profile: Callable[[], NodeProfile]) -> None:
        self._node, self._profile = node, profile
        self._room = OffloadRoom()
        self._conversation = Conversation()
        node.savepoint.keep(self._room, "_sent")
        node.savepoint.keep(self._conversation, *Conversation.STATE)

    @property
    def room(self) -> OffloadRoom:
        """Batches that left so far."""
        return self._room

    def hear(self, question: MarketCall | MarketNews) -> None:
        """Keep a question until the node is in its slot."""
        self._conversation.hear(question)

    def left(self, batches: Sequence[Batch]) -> None:
        """Batches have left for an executor: (D5) leaves so many less."""
        self._room.add(batches)

    def answer(self, slot: SlotState) -> list[Offers]:
        """The answer to a waiting question of the slot, metered; [] when none waits, or it follows from nothing.

        The bytes of a question and its answer are metered once, as the coordinator counts them; a repeat of both
        after a broken stream is sent again and not metered again.
        """
        question = self._conversation.question
        if question is None or self._conversation.answered or question.slot != slot.slot:
            return []
        if self._conversation.is_new(slot.slot):
            self._conversation.begin(slot.slot, self._own(slot))
        try:
            offers, repeated = self._conversation.answer()
        except DeskError as error:
            log.warning("%s does not answer the market: %s", self._node.config.node_id, error)
            return []
        if repeated:
            log.info("%s repeats its offers of slot %d", self._node.config.node_id, slot.slot)
        else:
            sent, received = len(codec.encode_up(offers)), len(codec.encode_down(question))
            self._node.savepoint.later(self._node.meter.moved, slot.stage, sent, received, True)
        return [offers]

    def manage(self, slot: SlotState, decision: Decision) -> tuple[list[Batch], list[Batch]]:
        """(batches to run at home, batches to send) of a market's decision: exchanges are decided, the rest is ours."""
        sent = sum(send.batches for send in decision.sends)
        offloaded = sum(guest.batches for guest in decision.guests)
        managed = self._conversation.managed(slot.slot, sent, offloaded)
        if managed is None:  # the market ended without a trade before it asked: as LOCAL
            work = Work.of(self._own(slot), 0.0, False)
            home = max(min(work.available - sent, work.capacity - offloaded), 0)
            managed = Managed(home, 0.0, float(self._node.battery.capacity_uj))
        before = self._node.backlog.counts(slot.slot)
        leaving = self._room.choose(self._node.backlog, slot.stage, self._conversation.cap_fraction, sent)
        self._node.backlog.remove(leaving)
        staying = self._node.backlog.take(slot.stage, managed.own_batches)
        slot.charge_uj, slot.discharge_uj = to_micro(managed.charge_j), to_micro(managed.discharge_j)
        slot.own_work = OwnWork(len(staying), before)
        return staying, leaving

    def _own(self, slot: SlotState) -> Own:
        node, config = self._node, self._node.config
        stages = config.stages[slot.slot : slot.slot + config.horizon_slots]
        return own_of(
            self._profile(),
            slot=slot.slot,
            slot_s=config.slot_s,
            stages=stages,
            battery_uj=node.battery_uj,
            harvest_uj=node.harvest.forecast_uj(slot.slot, len(stages)),
            backlog=node.backlog,
            room=self._room,
            cap_fraction=self._conversation.cap_fraction,
            wake_s=config.board.wake_s if node.slept() else 0.0,
        )
