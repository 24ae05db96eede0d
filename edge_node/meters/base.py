"""Interface of a meter: it opens a window per slot, takes counted work, and reads joules with their
provenance.

A node calls ``open`` when a slot begins, ``begin`` and ``add`` around every piece of work (in the thread
that does it), ``moved`` for bytes over the radio, and ``close`` once: the lines it returns are what is
booked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from carbon_data.types import Provenance
from edge_node.config import BoardConfig
from protos.messages.slot import EnergyLine
from protos.messages.terms import Component, Stage


class MeterError(RuntimeError):
    """A reading that failed: the slot is then an explicit gap, never zero."""


@dataclass(frozen=True, slots=True)
class Work:
    """One piece of work that was really done."""

    stage: Stage
    flop: float
    """Counted operations."""
    wasted: bool = False
    """Its result was thrown away: booked as waste."""
    wasted_fraction: float = 0.0
    """Of work that is not wasted as a whole, the share of its joules that is."""

    @property
    def waste(self) -> float:
        """Share of the joules that is booked as waste."""
        return 1.0 if self.wasted else self.wasted_fraction


@dataclass(frozen=True, slots=True)
class Slot:
    """What the node knows of the slot when it closes it."""

    slot: int
    stage: Stage
    awake: bool
    woke: bool
    """Whether the node was woken for this slot."""
    awake_s: float = 0.0
    """Of a slot that ends asleep by an actuator: wall seconds until the board slept."""
    wake_s: float = 0.0
    """Wall seconds that a real wake-up took; with ``wake_uj``."""
    wake_uj: int | None = None
    """What was read of it, idle power included; None: it is as the board's profile says."""
    asleep_s: float = 0.0
    """Of a slot awake, seconds in which the board slept between batches, by the model."""
    wakes: int = 0
    """How often it woke from that."""
    duration_s: float | None = None
    """On the wall clock, how long the window was; None: as long as a slot is configured."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What the last piece of work cost, of a meter that counts or times each: as ``Meter.counted``."""

    seconds: float
    """Of the board."""
    compute_j: float
    """Above static power."""


@dataclass(frozen=True, slots=True)
class MeterContext:
    """What a meter is built from."""

    board: BoardConfig
    slot_s: float
    """Physical length of a slot: the modelled window."""
    argument: str = ""
    """What follows the name in a node's configuration, e.g. the path in ``replay:PATH``."""
    wall: bool = False
    """Whether slots are on the wall clock: the end of a window is then the beginning of the next."""
    beside_cpu_s: Callable[[], float] | None = None
    """CPU seconds so far of processes that work for the node; None: there are none."""


@runtime_checkable
class Meter(Protocol):
    """One node's meter."""

    name: str
    provenance: Provenance
    """What its readings are: measured, modelled or replayed.

    A meter that times work (instead of counting it) has ``measures_time = True``: latencies of requests are
    then the times really taken; without it they follow from counted work, and repeat exactly. A meter that
    knows the quality of its readings has ``metered``, that of the window which ``close`` read last
    (protos.messages.slot.Metered), or None.
    One whose window is more than a count may have ``restart()``: on the wall clock a node's first window begins again
    with its first decision, and what was counted stays.
    One that reads a sensor has it as ``sensor`` (a sampling.sampler.Sampler), also where its readings are estimates.
    One that counts or times each piece of work has the last one as ``counted`` (Counted).
    One that takes powers or speed from the board's profile has ``run_at(board, stretch)``: from here on the board runs
    at another operating point, and what this machine does in a second takes it ``stretch`` seconds.
    """

    def open(self, slot: int) -> None:
        """A new window begins; work counted from here on belongs to it."""
        ...

    def begin(self) -> None:
        """Work begins in this thread."""
        ...

    def add(self, work: Work) -> None:
        """The work begun in this thread has ended."""
        ...

    def moved(self, stage: Stage, tx_bytes: int = 0, rx_bytes: int = 0, negotiation: bool = False) -> None:
        """Bytes went over this node's radio for ``stage``; ``negotiation``: they were a market's messages, booked
        on a line of their own."""
        ...

    def close(self, slot: Slot) -> tuple[EnergyLine, ...]:
        """End the window and read it: one line per stage and component, none of them zero.

        Raises:
            MeterError: no reading for this window.
        """
        ...


def reads_board(meter: Meter) -> bool:
    """Whether a meter's joules come from a sensor on the board, so that the board must really sleep to draw less."""
    return meter.provenance is Provenance.MEASURED or sensor_of(meter) is not None


def restart(meter: Meter) -> None:
    """The window that is open begins now."""
    begin_again = getattr(meter, "restart", None)
    if begin_again is not None:
        begin_again()


def run_at(meter: Meter, board: BoardConfig, stretch: float) -> None:
    """The board runs at another operating point from here on. ``stretch``: seconds of it for one that is timed here."""
    change = getattr(meter, "run_at", None)
    if change is not None:
        change(board, stretch)


def sensor_of(meter: Meter) -> Any:
    """The sensor that a meter reads, to read windows within a slot; None where it reads none of ours."""
    return getattr(meter, "sensor", None)


def spread(total_uj: int, weights: Iterable[float]) -> list[int]:
    """``total_uj`` in whole microjoules in proportion to ``weights``, by largest remainder: the sum is exact.

    All weights zero: everything goes to the first.
    """
    shares = list(weights)
    if not shares:
        raise ValueError("nothing to spread over: give at least one weight")
    whole = sum(shares)
    if whole <= 0:
        return [total_uj, *[0] * (len(shares) - 1)]
    exact = [total_uj * (share / whole) for share in shares]
    parts = [int(value) for value in exact]
    # Rounding in float may leave more than one unit a share when totals are huge: hand out what is left.
    left = total_uj - sum(parts)
    order = sorted(range(len(parts)), key=lambda k: exact[k] - parts[k], reverse=True)
    for k in range(abs(left)):
        parts[order[k % len(order)]] += 1 if left > 0 else -1
    return parts


def lines_from(
    energies_uj: dict[tuple[Stage, Component], int], provenance: Provenance
) -> tuple[EnergyLine, ...]:
    """Energy lines in a fixed order, without zeros."""
    order = {key: place for place, key in enumerate([(s, c) for s in Stage for c in Component])}
    return tuple(
        EnergyLine(stage, component, energy, str(provenance))
        for (stage, component), energy in sorted(energies_uj.items(), key=lambda item: order[item[0]])
        if energy
    )
