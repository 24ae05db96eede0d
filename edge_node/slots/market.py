"""A node's side of the markets it is called to: questions heard and answered, what it does with itself afterwards.

The mathematics is protos.trading, the private state edge_node.slots.trading; this ties both to the node's slots and
meter.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from carbon_data.units import to_micro
from edge_node.config import NodeConfig
from edge_node.energy.harvest import Harvest
from edge_node.meters.base import Meter
from edge_node.slots.backlog import Backlog, Batch
from edge_node.slots.slot import SlotState
from edge_node.slots.trading import OffloadRoom, Seat, own_of
from protos import codec
from protos.messages import Decision, MarketCall, MarketNews, NodeProfile, Offers, OwnWork
from protos.trading.desk import DeskError
from protos.trading.own import Managed, Own, Work

log = logging.getLogger(__name__)


class MarketSide:
    """Everything about markets that a node remembers. Not thread-safe: its node holds the lock.

    Args:
        config: What the node was told.
        profile: Constants of the node, as it registers them.
        meter: Where the radio joules of answering go.
        harvest: Its harvest and forecast.
        backlog: Its own batches; ``manage`` takes from it.
    """

    def __init__(
        self,
        config: NodeConfig,
        profile: Callable[[], NodeProfile],
        meter: Meter,
        harvest: Harvest,
        backlog: Backlog,
    ) -> None:
        self._config, self._profile, self._meter = config, profile, meter
        self._harvest, self._backlog = harvest, backlog
        self._room = OffloadRoom()
        self._seat = Seat()

    def hear(self, question: MarketCall | MarketNews) -> None:
        """Keep a question until the node is in its slot."""
        self._seat.hear(question)

    def left(self, batches: Sequence[Batch]) -> None:
        """Batches have left for an executor: (D5) leaves so many less."""
        self._room.add(batches)

    def answer(self, state: SlotState, battery_uj: int, asleep: bool) -> list[Offers]:
        """The answer to a waiting question of the slot, metered; [] when none waits, or it follows from nothing.

        The bytes of a question and its answer are metered once, as the coordinator counts them; a repeat of both
        after a broken stream is said again and not metered again.
        """
        question = self._seat.question
        if question is None or self._seat.answered or question.slot != state.slot:
            return []
        if self._seat.needs_own(state.slot):
            self._seat.sit_down(state.slot, self._own(state, battery_uj, asleep))
        try:
            offers, repeated = self._seat.answer()
        except DeskError as error:
            log.warning("%s does not answer the market: %s", self._config.node_id, error)
            return []
        if repeated:
            log.info("%s says its offers of slot %d again", self._config.node_id, state.slot)
        else:
            self._meter.moved(
                state.stage,
                tx_bytes=len(codec.encode_up(offers)),
                rx_bytes=len(codec.encode_down(question)),
                negotiation=True,
            )
        return [offers]

    def manage(
        self, state: SlotState, decision: Decision, battery_uj: int, capacity_uj: int, asleep: bool
    ) -> tuple[list[Batch], list[Batch]]:
        """(batches to run at home, batches to send) of a market's decision: exchanges are decided, the rest is ours."""
        sent = sum(send.batches for send in decision.sends)
        offloaded = sum(guest.batches for guest in decision.guests)
        managed = self._seat.managed(state.slot, sent, offloaded)
        if managed is None:  # the market came to nothing before it asked: as LOCAL
            work = Work.of(self._own(state, battery_uj, asleep), 0.0, False)
            home = max(min(work.available - sent, work.capacity - offloaded), 0)
            managed = Managed(home, 0.0, float(capacity_uj))
        before = self._backlog.counts(state.slot)
        leaving = self._room.choose(self._backlog, state.stage, self._seat.cap_fraction, sent)
        self._backlog.remove(leaving)
        staying = self._backlog.take(state.stage, managed.own_batches)
        state.charge_uj, state.discharge_uj = to_micro(managed.charge_j), to_micro(managed.discharge_j)
        state.own_work = OwnWork(len(staying), before)
        return staying, leaving

    def _own(self, state: SlotState, battery_uj: int, asleep: bool) -> Own:
        config = self._config
        stages = config.stages[state.slot : state.slot + config.horizon_slots]
        return own_of(
            self._profile(),
            slot=state.slot,
            slot_s=config.slot_s,
            stages=stages,
            battery_uj=battery_uj,
            harvest_uj=self._harvest.forecast_uj(state.slot, len(stages)),
            backlog=self._backlog,
            room=self._room,
            cap_fraction=self._seat.cap_fraction,
            wake_s=config.board.wake_s if asleep else 0.0,
        )
