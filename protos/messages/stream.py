"""A node's stream to the coordinator: registration, liveness, acknowledgement, and what either side may send."""

from __future__ import annotations

from dataclasses import dataclass

from protos.messages.market import MarketCall, MarketNews, Offers
from protos.messages.slot import CloseSlot, Decision, EnergyGrant, Settlement, Telemetry, Usage
from protos.messages.terms import Sleep
from protos.messages.work import PointCost, WorkProfile

MOST_AWAITED = 4
"""Names in a heartbeat (choice): with the longest names of nodes, the heartbeats that travel together fill three
quarters of a message."""


@dataclass(frozen=True, slots=True)
class NodeProfile:
    """Constants of a node for the run, sent when it registers."""

    zone: str
    static_w: float
    sleep_w: float
    wake_j: float
    wake_s: float
    tx_j_per_byte: float
    rx_j_per_byte: float
    storage_bytes: int
    battery_capacity_uj: int
    charge_efficiency_fraction: float
    discharge_efficiency_fraction: float
    self_discharge_fraction: float
    """Share of the stored energy lost per slot (sigma of (D3))."""
    charge_limit_w: float
    discharge_limit_w: float
    export_loss_fraction: float
    """Loss on the donor's side of a transfer: 1 - out_i; l_ij = 1 - out_i * in_j."""
    import_loss_fraction: float
    work: tuple[WorkProfile, ...]
    meter: str
    """Name of the meter, e.g. ``modelled`` or ``cpu-time``."""
    provenance: str
    """A carbon_data.types.Provenance value: provenance of the meter's readings."""
    num_examples: int
    data_digest: str
    """sha256 over the node's partition, so that a report can identify the data."""
    sleep: Sleep = Sleep.MODELLED
    """What its sleep is; ledgers from before this was said hold nodes that slept by the model."""
    points: tuple[PointCost, ...] = ()
    """Operating points that a decision may choose, the fastest first; empty: the board has no choice."""


@dataclass(frozen=True, slots=True)
class Register:
    """First message on a stream. A new stream of the same node fences the old one."""

    node_id: str
    boot_id: str
    """New at every start of a node; with ``seq`` the key under which a message counts once."""
    peer_address: str
    """host:port of the node's batch-transfer server; empty where nodes share a process."""
    profile: NodeProfile


@dataclass(frozen=True, slots=True)
class Welcome:
    """Answer to Register."""

    run_id: str
    epoch: int
    heartbeat_s: float
    lease_s: float
    next_slot: int
    battery_uj: int | None = None
    """Content of this node's battery in the ledger, if the ledger has one."""
    negotiates: bool = False
    """The run's policy works without complete information: nodes send answers to the market, but no telemetry."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    node_id: str
    boot_id: str
    seq: int
    monotonic_ns: int
    awaits: tuple[str, ...] = ()
    """Owners that it waits for, because they read prompts before they send them: the first ``MOST_AWAITED``. One that
    it was told is gone is no longer among them."""
    handed_slot: int | None = None
    """The slot, where it was to read prompts for others in it and all of them have left, or stay."""


@dataclass(frozen=True, slots=True)
class Heartbeats:
    """Heartbeats of several nodes of one process, on the stream of one of them."""

    beats: tuple[Heartbeat, ...]


@dataclass(frozen=True, slots=True)
class Heard:
    """Answer to ``Heartbeats``, on the same stream: these nodes' leases are renewed. It acknowledges nothing, for it
    may overtake what is on its way on their own streams."""

    node_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Gone:
    """With the answer to a heartbeat of a node that waits for other nodes' caches in ``slot``: these of them hold no
    lease, do not know the slot's decision, or have sent what they send. What has not come of them is not waited for.
    Said again until the node's heartbeats no longer name them."""

    slot: int
    node_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClockQuestion:
    """What does the node's monotonic clock show? Of a run on the wall clock; the answer's way there and back bounds
    how far the clocks are apart."""

    node_id: str
    number: int
    """The answer carries it: one that comes for an older question is of no use."""


@dataclass(frozen=True, slots=True)
class ClockAnswer:
    """Answered at once, whatever else the node is at."""

    node_id: str
    boot_id: str
    number: int
    monotonic_ns: int


@dataclass(frozen=True, slots=True)
class Ack:
    """Acknowledges that all messages of this node up to ``seq`` are committed."""

    node_id: str
    seq: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """Refusal of a valid message: the reason is for people, the code for programs."""

    code: str
    reason: str


UpMessage = (
    Register | Heartbeat | Heartbeats | Telemetry | Usage | Settlement | Refusal | Offers | ClockAnswer
)
DownMessage = (
    Welcome
    | Decision
    | CloseSlot
    | EnergyGrant
    | Ack
    | Heard
    | Gone
    | Refusal
    | MarketCall
    | MarketNews
    | ClockQuestion
)
