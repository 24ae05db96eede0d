"""Offsets of nodes' monotonic clocks from the coordinator's, each with its uncertainty. Pure; the clock is injected.

A node answers questions one after the other. Of ROUND_TRIPS ways there and back the shortest one counts: the node's
clock was read at some moment of it, so the offset at its middle is wrong by half of it at most. Nothing is ordered by
an offset or by a time of day: what comes first is what the ledger holds first. Why:
docs/decisions/0030-clock-offsets.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from coordinator.ledger.entry import Entry, Kind
from coordinator.slots.books import Books
from coordinator.slots.postings import alarm
from coordinator.slots.protocol import Effects, Refused, TryLaterError
from protos.messages.stream import ClockAnswer, ClockQuestion

NS_PER_S = 1_000_000_000
ROUND_TRIPS = 16
MOST_OF_SLOT = 0.1
"""A slot is refused where a clock is known to no better than this share of it."""
RATE_FRACTION = 1e-3
"""Two monotonic clocks run apart by less than about this share: the kernel slews one by up to 500 ppm (adjtimex), and
quartz is off by less than 100 ppm (choice)."""
AGAIN_S = 60.0
"""A clock is measured again after so long, or once half of what is allowed is used up."""
LOST_S = 5.0
"""A question without an answer for so long, and for half a slot, is asked again."""

Sends = tuple[tuple[str, ClockQuestion], ...]


@dataclass(frozen=True, slots=True)
class Offset:
    """``offset_ns``: the node's clock minus the coordinator's, ``at_ns`` by the coordinator's."""

    boot_id: str
    at_ns: int
    offset_ns: int
    uncertainty_ns: int

    def known_to_ns(self, now_ns: int) -> float:
        """Uncertainty now: clocks have run apart since."""
        return self.uncertainty_ns + RATE_FRACTION * max(0, now_ns - self.at_ns)

    def moved_ns(self, later: Offset) -> int:
        """By how much more the clocks have come apart than their uncertainties and rates allow; 0: not at all."""
        apart = abs(later.offset_ns - self.offset_ns)
        return max(0, math.ceil(apart - self.known_to_ns(later.at_ns) - later.uncertainty_ns))


@dataclass(slots=True)
class _Measured:
    """One node: the measurement under way, and the last result."""

    number: int | None = None
    """Of the question that is out; None: no measurement is under way."""
    sent_ns: int | None = None
    trips: list[Offset] = field(default_factory=list)
    result: Offset | None = None


class Clocks:
    """Of the nodes of a run on the wall clock; on the virtual clock no node is asked. Not durable: a restarted
    coordinator measures again, because its own clock may be another."""

    def __init__(self, books: Books, clock: Callable[[], float]) -> None:
        """``clock``: monotonic seconds."""
        self._books, self._clock = books, clock
        self._nodes: dict[str, _Measured] = {}
        self._count = 0

    @property
    def is_wall(self) -> bool:
        return self._books.config.overrun is not None

    def now_ns(self) -> int:
        return round(self._clock() * NS_PER_S)

    # --- questions and answers -----------------------------------------------------------------------------

    def open(self, node: str) -> Sends:
        """A new stream of ``node``: its clock is measured again."""
        if not self.is_wall:
            return ()
        self._nodes[node] = _Measured()
        return self._ask(node)

    def due(self, node: str) -> Sends:
        """Word of ``node`` has come: is it time to measure its clock again?"""
        measured = self._nodes.get(node)
        if measured is None:
            return ()
        now_ns = self.now_ns()
        if measured.number is not None:
            patience_ns = max(LOST_S, self._books.config.slot_s / 2) * NS_PER_S
            lost = measured.sent_ns is not None and now_ns - measured.sent_ns > patience_ns
            return self._ask(node) if lost else ()
        assert measured.result is not None
        known_ns, limit_ns = measured.result.known_to_ns(now_ns), self._limit_ns()
        age_ns = now_ns - measured.result.at_ns
        if known_ns > limit_ns or age_ns > AGAIN_S * NS_PER_S:
            return self._again(node)
        patient = age_ns > self._books.config.slot_s * NS_PER_S
        return self._again(node) if patient and known_ns > limit_ns / 2 else ()

    def ask(self, nodes: Iterable[str]) -> Sends:
        """Measure the clocks of ``nodes`` again, where that is not under way."""
        idle = [node for node in nodes if node in self._nodes and self._nodes[node].number is None]
        return tuple(question for node in idle for question in self._again(node))

    def asked(self, nodes: Iterable[str]) -> tuple[str, ...]:
        """Those of ``nodes`` that are being measured."""
        return tuple(node for node in nodes if node in self._nodes and self._nodes[node].number is not None)

    def leaves(self, question: ClockQuestion) -> None:
        """It is sent now."""
        measured = self._nodes.get(question.node_id)
        if measured is not None and measured.number == question.number and measured.sent_ns is None:
            measured.sent_ns = self.now_ns()

    def take(self, answer: ClockAnswer) -> Effects:
        """A node's answer. One to an older question is passed over. Raises Refused for an earlier start's."""
        node, now_ns = answer.node_id, self.now_ns()
        if answer.boot_id != self._books.nodes[node].boot_id:
            raise Refused(
                "stale_boot", f"the clock of start {answer.boot_id} of {node}, another is registered"
            )
        measured = self._nodes.get(node)
        if measured is None or measured.number != answer.number or measured.sent_ns is None:
            return Effects()
        way_ns = max(0, now_ns - measured.sent_ns)
        offset_ns = answer.monotonic_ns - (measured.sent_ns + way_ns // 2)
        measured.trips.append(Offset(answer.boot_id, now_ns, offset_ns, (way_ns + 1) // 2))
        if len(measured.trips) < ROUND_TRIPS:
            return Effects((), self._ask(node))
        best = min(measured.trips, key=lambda trip: trip.uncertainty_ns)
        return self._known(node, measured, best)

    def _known(self, node: str, measured: _Measured, best: Offset) -> Effects:
        key = f"{node}/{self._books.epoch}/{measured.number}"
        told = {
            "boot_id": best.boot_id,
            "epoch": self._books.epoch,
            "next_slot": self._books.next_slot,
            "at_ns": best.at_ns,
            "offset_ns": best.offset_ns,
            "uncertainty_ns": best.uncertainty_ns,
            "round_trips": len(measured.trips),
        }
        entries = [Entry(Kind.CLOCK, f"clock/{key}", told, node_id=node)]
        before = measured.result
        if before is not None and before.boot_id == best.boot_id and (moved_ns := before.moved_ns(best)):
            reason = f"{node}'s clock moved by {moved_ns / NS_PER_S:.3g} s more than two clocks drift apart"
            entries.append(alarm("clock_jump", key, None, node, {"reason": reason, "moved_ns": moved_ns}))
        effects = self._books.enter(entries)
        measured.number, measured.sent_ns, measured.result = None, None, best
        measured.trips.clear()
        return effects

    def _again(self, node: str) -> Sends:
        self._nodes[node].trips.clear()
        return self._ask(node)

    def _ask(self, node: str) -> Sends:
        self._count += 1
        measured = self._nodes[node]
        measured.number, measured.sent_ns = self._count, None
        return ((node, ClockQuestion(node, self._count)),)

    # --- before a slot -------------------------------------------------------------------------------------

    def unknown(self, nodes: Iterable[str]) -> tuple[str, ...]:
        """Those of ``nodes`` whose clocks are not known well enough for a slot."""
        if not self.is_wall:
            return ()
        limit_ns = self._limit_ns()
        return tuple(node for node in nodes if self._known_to_ns(node) > limit_ns)

    def require(self, nodes: Iterable[str]) -> None:
        """Raises TryLaterError naming a node whose clock is not known well enough: its slot is refused."""
        if not (wrong := self.unknown(nodes)):
            return
        node = wrong[0]
        known_s = self._known_to_ns(node) / NS_PER_S
        said = "has not been read" if math.isinf(known_s) else f"is known to {known_s:.3g} s only"
        others = f" (likewise {', '.join(wrong[1:4])})" if wrong[1:] else ""
        slot, slot_s = self._books.next_slot, self._books.config.slot_s
        raise TryLaterError(
            "clock_uncertain",
            f"slot {slot} is refused: the clock of {node}{others} {said}, allowed is a tenth of the slot, "
            f"{MOST_OF_SLOT * slot_s:.3g} s; mend the way to it (its shortest answer takes twice as long), or choose "
            f"longer slots (time.slot_s, now {slot_s:g} s)",
        )

    def _known_to_ns(self, node: str) -> float:
        measured = self._nodes.get(node)
        if measured is None or measured.result is None:
            return math.inf
        return measured.result.known_to_ns(self.now_ns())

    def _limit_ns(self) -> float:
        return MOST_OF_SLOT * self._books.config.slot_s * NS_PER_S
