"""A node's state of one slot, from its beginning to its settlement."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from edge_node.serving.queue import Job
from edge_node.serving.request_times import TimedUse
from edge_node.serving.tally import Tally
from edge_node.slots.backlog import Batch
from edge_node.slots.phases import Phase, check_transition
from edge_node.workload import Arrays, Result
from protos.messages.parcels import HandedPrompt, Parcel
from protos.messages.slot import (
    Decision,
    EnergyGrant,
    EnergyLine,
    Moved,
    OwnWork,
    Settlement,
    Telemetry,
    Usage,
    UserTraffic,
)
from protos.messages.terms import Stage


class Delivery(StrEnum):
    """Fate of a parcel on its way out."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(slots=True)
class Outgoing:
    """Own batches sent to one executor."""

    parcel: Parcel
    batches: list[Batch]
    delivery: Delivery = Delivery.PENDING
    handed: int = 0
    """Of ``batches``, the first ones whose prompts are read here."""


@dataclass(slots=True)
class Incoming:
    """Batches that one owner offloads to this node, as they have arrived."""

    batch_ids: tuple[int, ...]
    batches: list[Arrays]
    payload_bytes: int


@dataclass(slots=True)
class Read:
    """What was read of a slot's window, which cannot be read again."""

    ended_s: float | None = None
    """On the wall clock, how long the window was."""
    lines: tuple[EnergyLine, ...] | None = None
    harvest_uj: int | None = None


@dataclass(slots=True)
class SlotState:
    """One slot of one node: plan, parcels, work done, and what was reported of it."""

    slot: int
    stage: Stage
    awake: bool
    """As it was in the slot before, until a decision changes it."""
    woke: bool = False
    phase: Phase = Phase.OPEN
    decision: Decision | None = None
    own: list[Batch] = field(default_factory=list)
    undone: list[Batch] = field(default_factory=list)
    """Of ``own``, what was left undone where the work was cut."""
    outgoing: dict[str, Outgoing] = field(default_factory=dict)
    incoming: dict[str, Incoming] = field(default_factory=dict)
    given_up: set[str] = field(default_factory=set)
    """Owners whose batches are no longer waited for."""
    result: Result | None = None
    """Set once the slot's work is done."""
    flop: float = 0.0
    executed: dict[str, int] = field(default_factory=dict)
    """Batches run, by owner."""
    sent: dict[str, tuple[int, int]] = field(default_factory=dict)
    """(batches, bytes) delivered, by executor."""
    received: dict[str, tuple[int, int]] = field(default_factory=dict)
    """(batches, bytes) taken in, by owner."""
    users: dict[tuple[str, Stage, bool], tuple[int, int]] = field(default_factory=dict)
    """(up, down) bytes exchanged with the devices of users: by the node whose users they are, stage, and whether they
    are outside clients."""
    model_bytes: int = 0
    mean_loss: float | None = None
    serving: dict[int, Tally] = field(default_factory=dict)
    """Requests of the slot's own and offloaded batches, by service."""
    language: list[TimedUse] = field(default_factory=list)
    """Every request to a language model in the slot's batches, and every prompt that was read for another node."""
    prompts: dict[int, tuple[HandedPrompt, ...]] = field(default_factory=dict)
    """Prompts that were read for other nodes, by own batch."""
    readings: list[Job] = field(default_factory=list)
    """The board's time for them."""
    read_until_s: float = 0.0
    """When the last of them was read, in slot time."""
    rest: tuple[float, int] | None = None
    """(seconds asleep, wake-ups) between its batches, where the board sleeps there; None: not known yet."""
    outside: Tally = field(default_factory=Tally)
    """Requests of outside clients."""
    charge_uj: int = 0
    discharge_uj: int = 0
    """As decided, or, of a self-managed decision, as this node chose."""
    own_work: OwnWork | None = None
    """Of a self-managed decision: reported to the coordinator once the slot is over."""
    unserved_batches: int = 0
    unserved_requests: int = 0
    telemetry: Telemetry | None = None
    read: Read = field(default_factory=Read)
    usage: Usage | None = None
    grant: EnergyGrant | None = None
    settlement: Settlement | None = None

    def enter(self, phase: Phase) -> None:
        """Go on to ``phase``; see edge_node.slots.phases."""
        check_transition(self.phase, phase)
        self.phase = phase

    @property
    def fixed(self) -> bool:
        """Whether work has begun: the plan can no longer change."""
        return self.phase in (Phase.RUNNING, Phase.WORKED, Phase.REPORTED, Phase.SETTLED)

    def left_over(self) -> list[Batch]:
        """Own batches at home that were not run."""
        return self.own if self.result is None else self.undone

    def expected_batches(self) -> dict[str, int]:
        """Batches that the decision lets others offload to this node, by owner."""
        return {} if self.decision is None else {guest.owner: guest.batches for guest in self.decision.guests}

    def missing_owners(self) -> tuple[str, ...]:
        """Owners still waited for."""
        return tuple(o for o in self.expected_batches() if o not in self.incoming and o not in self.given_up)

    def awaited_readers(self) -> tuple[str, ...]:
        """Owners still waited for that read prompts before they send them."""
        missing = self.missing_owners()
        guests = () if self.decision is None else self.decision.guests
        return tuple(guest.owner for guest in guests if guest.handed and guest.owner in missing)

    def pending_parcels(self) -> tuple[str, ...]:
        """Executors whose answer is still open."""
        return tuple(name for name, out in self.outgoing.items() if out.delivery is Delivery.PENDING)

    def reads_for_others(self) -> bool:
        """Whether own batches whose prompts are read here have not left yet."""
        return any(out.handed and out.delivery is Delivery.PENDING for out in self.outgoing.values())

    def incoming_bytes(self) -> int:
        """Storage taken by offloaded batches."""
        return sum(each.payload_bytes for each in self.incoming.values())

    def exchange(
        self, owner: str, stage: Stage, up_bytes: int, down_bytes: int, outside: bool = False
    ) -> None:
        """Bytes went from users of ``owner`` to this node, and from it to them."""
        up, down = self.users.get((owner, stage, outside), (0, 0))
        self.users[owner, stage, outside] = (up + up_bytes, down + down_bytes)

    def user_traffic(self) -> tuple[UserTraffic, ...]:
        """As it is reported."""
        return tuple(
            UserTraffic(owner, stage, up, down, outside)
            for (owner, stage, outside), (up, down) in sorted(self.users.items())
            if up or down
        )

    def moved(self) -> tuple[Moved, ...]:
        """Batches exchanged, by peer."""
        out = [Moved(peer, True, *counts) for peer, counts in sorted(self.sent.items())]
        return (*out, *(Moved(peer, False, *counts) for peer, counts in sorted(self.received.items())))


@dataclass(frozen=True, slots=True)
class Readiness:
    """What ``execute`` still waits for."""

    decided: bool
    pending_parcels: tuple[str, ...]
    """Executors that have not answered yet."""
    missing_owners: tuple[str, ...]
    """Owners whose batches have not arrived."""
    over: bool
    """The slot is closed or past: it will never be ready."""
    awaits_reading: bool = False
    """Whether one of these owners reads prompts first, which takes its time."""
    reads_for_others: bool = False
    """Whether this node reads prompts for others."""

    @property
    def ready(self) -> bool:
        return self.decided and not self.over and not self.pending_parcels and not self.missing_owners

    def describe(self) -> str:
        """What is missing, for people."""
        if self.over:
            return "the slot is over"
        if not self.decided:
            return "no decision has come"
        waits = [f"no answer from {name}" for name in self.pending_parcels]
        waits += [f"no batches from {name}" for name in self.missing_owners]
        return ", ".join(waits) or "ready"
