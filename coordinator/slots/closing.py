"""Ending a slot: nodes are asked to close, transfers are settled, nodes book, and the slot is summed up."""

from __future__ import annotations

from collections.abc import Sequence

from coordinator.ledger.body import body_of
from coordinator.ledger.entry import Entry, Kind
from coordinator.slots.booking import estimated
from coordinator.slots.books import Books
from coordinator.slots.deferral import missed_batches
from coordinator.slots.lines import Row, parcels_of
from coordinator.slots.postings import gap, slot_end
from coordinator.slots.protocol import Effects, RequestError, require_sendable
from coordinator.slots.schedule import Schedule
from coordinator.slots.sessions import Sessions
from coordinator.slots.shared_lines import shared_lines
from coordinator.slots.state import Phase, SlotState
from coordinator.slots.trade import DonorState, settle_trade
from protos.messages.runner import EndSlot, SlotSummary
from protos.messages.slot import CloseSlot

MOST_OF_SLOT = 2**62
"""Most of the coordinator's own share of a slot, in uJ or pg: half of what the ledger holds."""


class Closing:
    """``wait_s``, ``close``, ``trade`` and ``finish`` follow each other; in between the runner waits."""

    def __init__(self, books: Books, sessions: Sessions, schedule: Schedule) -> None:
        self._books, self._sessions, self._schedule = books, sessions, schedule
        self._told: int | None = None
        """The slot that nodes were asked to close. Not durable: a restarted coordinator asks them again."""

    def wait_s(self, request: EndSlot) -> float:
        """Seconds to wait before ``close``: until the open slot is due, where somebody lives through it."""
        slot = self._books.open_slot
        if slot is None or slot.slot != request.slot or not self._sessions.live():
            return 0.0
        self._schedule.ask(slot.slot)
        return 0.0 if self.is_told(slot) else self._schedule.left_s()

    def close(self, request: EndSlot) -> tuple[SlotSummary | None, Effects]:
        """Ask the nodes to close the slot. A slot ended before gives its stored summary."""
        slot = self._books.slots.get(request.slot)
        if slot is None:
            raise RequestError(
                "not_begun", f"slot {request.slot} was not begun; the next is {self._books.next_slot}"
            )
        if slot.phase is Phase.ENDED:
            return slot.summary, Effects()
        self._require_bookable(slot, request)
        self._told = slot.slot
        return None, Effects((), tuple((n, CloseSlot(slot.epoch, slot.slot)) for n in self.awaiting_usage()))

    def _require_bookable(self, slot: SlotState, request: EndSlot) -> None:
        """Raises RequestError, before any node is asked, for counts whose energy or grams the ledger cannot hold."""
        try:
            lines = shared_lines(self._books, slot, request, ())
            most = max((max(line["energy_uj"], line["operational_pg"]) for line in lines), default=0)
        except (OverflowError, ValueError):  # beyond what a float holds
            most = MOST_OF_SLOT + 1
        if most > MOST_OF_SLOT:
            raise RequestError(
                "out_of_range",
                f"{request.aggregated_parameters} aggregated parameters and {request.evaluated_examples} evaluated "
                f"examples are more energy than a slot's end may book (2^62 uJ or pg); give the counts of one slot",
            )

    def is_told(self, slot: SlotState) -> bool:
        """Whether the nodes were asked to close ``slot``."""
        return self._told == slot.slot

    def awaiting_usage(self, among: Sequence[str] | None = None) -> tuple[str, ...]:
        """Live nodes of the open slot that have not reported their usage; ``among``: of these alone."""
        slot = self._open()
        owing = slot.decisions if among is None else among
        there = self._sessions.living(n for n in owing if slot.owes_reading(n))
        return tuple(n for n in there if self._books.same_boot(slot, n))

    def awaiting_settlement(self, among: Sequence[str] | None = None) -> tuple[str, ...]:
        """Live nodes of the open slot that reported their usage and have not settled; ``among``: of these alone."""
        slot = self._open()
        owing = slot.unbooked() if among is None else [n for n in among if slot.is_metered(n)]
        return tuple(n for n in self._sessions.living(owing) if self._books.same_boot(slot, n))

    def trade(self) -> Effects:
        """Settle the decided transfers with the nodes that reported, and send them the outcome. A repeat only
        sends again."""
        slot = self._open()
        with self._books.together():
            effects = self._books.enter([self._traded(slot)] if slot.phase is Phase.RUNNING else [])
            grants = tuple((node, slot.grant(node)) for node in slot.unbooked())
        return Effects(effects.entries, grants)

    def finish(self, request: EndSlot) -> tuple[SlotSummary, Effects]:
        """End the open slot: gaps for nodes without a reading, estimates for unsettled ones, shared lines."""
        slot = self._open()
        lasted = self._schedule.lasted(slot.slot)
        seconds = None if lasted is None else lasted.duration_s
        with self._books.together():
            done = self._books.enter(self._left_open(slot))
            parcels = parcels_of([slot.usage[node] for node in sorted(slot.usage)])
            lines = shared_lines(self._books, slot, request, parcels, seconds)
            summary = require_sendable(self._summary(slot, lines))
            wall = None if lasted is None else {**body_of(lasted), "undone_batches": slot.undone_batches()}
            ended = self._books.enter([slot_end(summary, lines, parcels, wall)])
        return summary, Effects((*done.entries, *ended.entries))

    def _open(self) -> SlotState:
        slot = self._books.open_slot
        if slot is None:
            raise RequestError("not_begun", f"no slot is open; the next is {self._books.next_slot}")
        return slot

    def _traded(self, slot: SlotState) -> Entry:
        """Outcome of every decided transfer, with the nodes that reported their usage."""
        donors = {
            node: DonorState(
                usage.harvest_uj,
                slot.donor_battery_uj(node),
                slot.decisions[node].discharge_uj,
                usage.duration_s,
            )
            for node, usage in slot.usage.items()
        }
        profiles = {node: self._books.nodes[node].profile for node in slot.decisions}
        outcome = settle_trade(slot.transfers, donors, profiles, self._books.config.slot_s)
        body = {"transfers": [body_of(transfer) for transfer in outcome]}
        return Entry(Kind.TRADE, f"trade/{slot.slot}", body, slot=slot.slot)

    def _left_open(self, slot: SlotState) -> list[Entry]:
        """Entries for the nodes that did not settle."""
        entries, unbooked = [], set(slot.unbooked())
        for node in self._books.config.node_ids:
            if node in unbooked:
                entries.append(estimated(self._books, slot, slot.usage[node]))
            elif node not in slot.decisions:
                entries.append(gap(node, slot.slot, "no lease or telemetry when it was decided"))
            elif slot.owes_reading(node):
                entries.append(gap(node, slot.slot, "no reading"))
        return entries

    def _summary(self, slot: SlotState, lines: Sequence[Row]) -> SlotSummary:
        """Outcome of the slot, with the shared ``lines`` not booked yet."""
        totals = slot.totals
        shared_uj = totals.get("shared_uj", 0) + sum(line["energy_uj"] for line in lines)
        return SlotSummary(
            slot=slot.slot,
            emissions_pg=totals.get("emissions_pg", 0) + sum(line["operational_pg"] for line in lines),
            grid_uj=totals.get("grid_uj", 0) + shared_uj,
            green_uj=totals.get("green_uj", 0),
            demand_uj=totals.get("demand_uj", 0) + shared_uj,
            moved_batches=sum(slot.away.values()),
            transferred_uj=sum(transfer.sent_uj for transfer in slot.trade),
            executed_batches=sum(slot.counted.values()),
            unserved_batches=sum(missed_batches(slot, node) for node in slot.decisions),
            settled_nodes=tuple(node for node in slot.decisions if node in slot.settled),
            missing_nodes=tuple(node for node in self._books.config.node_ids if node not in slot.usage),
        )
