"""The slot's end: the meter is read, and the usage goes into the outbox."""

from __future__ import annotations

from dataclasses import replace

from edge_node.meters.base import MeterError, Slot, sensor_of
from edge_node.serving.request_joules import served
from edge_node.slots.errors import StaleDecision
from edge_node.slots.phases import Phase
from edge_node.slots.sleeping import Sleeping
from edge_node.slots.slot import Delivery, SlotState
from edge_node.slots.state import NodeState
from protos.messages.slot import CloseSlot, EnergyLine, Executed, Metered, Usage
from protos.messages.stream import Refusal
from protos.messages.terms import Stage

DROPPED = frozenset({"no_decision", "stale_epoch", "bad_usage", "no_usage", "implausible"})
"""Refusals after which a reported slot will never be settled: it is a gap in the books."""


class Reading:
    """Reads one node's meter, once a slot."""

    def __init__(self, node: NodeState, sleeping: Sleeping) -> None:
        self._node, self._sleeping = node, sleeping

    def close(self, close: CloseSlot) -> Usage:
        """Read the meter. Asked again, the same reading; under a new epoch, with a new number.

        Raises:
            StaleDecision: the slot lies behind, or its epoch below the decision's.
            MeterError: the meter has no reading; the slot is then a gap and the node goes on to the next.
        """
        node = self._node
        slot = node.find(close.slot)
        if slot is None and close.slot > node.slot:
            node.skip_to(close.slot)
            slot = node.require_current()
        if slot is None or slot.phase is Phase.MISSED or _behind(slot, close):
            raise StaleDecision(f"{node.node_id}: close of {(close.epoch, close.slot)}, node in {node.slot}")
        node.in_doubt = False
        if slot.usage is None:
            slot.usage = self._read(slot, close.epoch)
            slot.enter(Phase.REPORTED)
        elif slot.usage.epoch != close.epoch:
            node.outbox.remove(slot.usage.seq)
            slot.usage = replace(slot.usage, epoch=close.epoch, seq=node.outbox.next_seq())
        else:
            return slot.usage
        node.outbox.put(slot.usage.seq, slot.usage)
        return slot.usage

    def refused(self, refusal: Refusal) -> None:
        """The coordinator will not have a message. A reading it refuses is dropped: its slot is a gap."""
        node, slot = self._node, self._node.current
        if refusal.code in DROPPED and slot is not None and slot.usage is not None:
            node.outbox.remove(slot.usage.seq)
            node.leave(slot)

    def _read(self, slot: SlotState, epoch: int) -> Usage:
        node = self._node
        self._return_batches(slot)
        metered, report = self._sleeping.look(slot)
        asleep_s, wakes = node.serving.rest(slot)
        metered = replace(metered, asleep_s=asleep_s, wakes=wakes)
        try:
            lines, duration_s = self._lines(slot, metered)
            harvest_uj = self._harvest_uj(slot, duration_s)
        except MeterError:
            node.harvest.restart()  # the next window begins where this one ended, for both
            node.read_late = []
            node.leave(slot)
            raise
        asked = slot.language
        if duration_s != 0:  # else the slot has no window of its own
            asked, node.read_late = [*node.read_late, *asked], []
        requests, other_waste_uj = served(asked, lines)
        quality = None if duration_s == 0 else getattr(node.meter, "metered", None)
        if node.windows is not None and slot.slot + 1 < len(node.config.stages):
            node.open_window(slot.slot + 1)  # what the board does until the slot is settled is in it
        return Usage(
            node_id=node.node_id,
            boot_id=node.boot_id,
            seq=node.outbox.next_seq(),
            epoch=epoch,
            slot=slot.slot,
            lines=lines,
            harvest_uj=harvest_uj,
            executed=tuple(Executed(owner, count) for owner, count in sorted(slot.executed.items())),
            moved=slot.moved(),
            model_bytes=slot.model_bytes,
            mean_loss=slot.mean_loss,
            serving=node.serving.reports(slot.serving),
            outside=node.serving.report(slot.outside),
            unserved_requests=slot.unserved_requests,
            own_work=slot.own_work,
            users=slot.user_traffic(),
            metered=quality,
            sleep=report,
            duration_s=duration_s,
            harvest_metered=None if duration_s == 0 else node.harvest.metered,
            requests=requests,
            other_waste_uj=other_waste_uj,
        )

    def _lines(self, slot: SlotState, metered: Slot) -> tuple[tuple[EnergyLine, ...], float | None]:
        """(lines of the window, its seconds on the wall clock). Raises MeterError."""
        node = self._node
        node.savepoint.do_later()
        read = slot.read
        if node.windows is None:
            if read.lines is None:
                read.lines = node.meter.close(metered)
            return read.lines, None
        is_last = slot.slot + 1 == len(node.config.stages)  # no later window would hold its time
        if _is_over_before_it_began(slot) and not is_last:
            return (), 0.0
        if read.ended_s is None:
            read.ended_s = node.windows.close()
        node.windows.is_read = True
        if read.lines is None:
            node.harvest.mark()
            read.lines = node.meter.close(replace(metered, duration_s=read.ended_s))
        told: Metered | None = getattr(node.meter, "metered", None)
        # The edges of a sensor's samples are the window's.
        own = sensor_of(node.meter) is not None and told is not None
        return read.lines, told.window_s if own and told is not None else read.ended_s

    def _harvest_uj(self, slot: SlotState, duration_s: float | None) -> int:
        harvest = self._node.harvest
        if duration_s == 0:
            return 0  # no time, and no window of a sensor either
        if duration_s is None:
            return harvest.energy_uj(slot.slot)
        if slot.read.harvest_uj is None:
            slot.read.harvest_uj = harvest.over_uj(slot.slot, duration_s)
        return slot.read.harvest_uj

    def _return_batches(self, slot: SlotState) -> None:
        """What was not run goes back to the backlog, or expires."""
        node = self._node
        node.backlog.put_back(slot.left_over())
        slot.undone = []
        if slot.result is None:
            slot.own = []
        for executor in slot.pending_parcels():
            slot.outgoing[executor].delivery = Delivery.FAILED
            node.backlog.put_back(slot.outgoing[executor].batches)
        expired = node.backlog.expire(slot.slot)
        slot.unserved_batches = len(expired)
        slot.unserved_requests = node.serving.plan.requests_in(
            [batch.batch_id for batch in expired if batch.stage is Stage.APPLICATION]
        )


def _is_over_before_it_began(slot: SlotState) -> bool:
    """Of a missed slot nothing was left: its time lies in the window of the slot before."""
    return slot.decision is not None and slot.decision.missed and slot.decision.remaining_s == 0


def _behind(slot: SlotState, close: CloseSlot) -> bool:
    return slot.decision is not None and close.epoch < slot.decision.epoch
