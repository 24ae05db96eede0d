"""Messages between coordinator, nodes and clients, as plain frozen dataclasses. Units are in the names.

Pure: no generated code here. ``protos.codec`` converts these to protobuf and back, and validates.
Booked energies are integer microjoules (``_uj``), emissions integer picograms (``_pg``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from carbon_data import storage


class Stage(StrEnum):
    """Life-cycle stages of a network AI service (software stages, methods.md section 4), and energy of no task."""

    PREPARATION = "preparation"
    DEVELOPMENT = "development"
    APPLICATION = "application"
    RECYCLING = "recycling"
    UNALLOCATED = "unallocated"


class Component(StrEnum):
    """Components of a reading: the part of a node (or of the testbed) that used the joules."""

    COMPUTE = "compute"
    STATIC = "static"
    SLEEP = "sleep"
    WAKE = "wake"
    RADIO_TX = "radio_tx"
    RADIO_RX = "radio_rx"
    NETWORK = "network"
    COORDINATOR = "coordinator"
    ROUTER = "router"
    WASTE = "waste"
    """Work done twice or discarded: it uses energy and contributes to no result."""
    NEGOTIATION = "negotiation"
    """Bytes of a market's messages over radio and network."""


class Holder(StrEnum):
    """Holders of lines in the ledger other than nodes; reserved names, which no node may have."""

    NETWORK = "network"
    COORDINATOR = "coordinator"
    ROUTER = "router"
    DEVICES = "devices"
    """The users' devices, which send requests and data and receive answers."""


HOLDERS = tuple(str(holder) for holder in Holder)
"""Names of all holders."""


class Good(StrEnum):
    """Goods of a market."""

    ENERGY = "energy"
    """Joules in the hub; prices in g CO2e per J."""
    WORK = "work"
    """Whole batches that another node runs for their owner; prices in g CO2e per batch."""


class Side(StrEnum):
    ASK = "ask"
    """Offers to give: energy, or to run a batch."""
    BID = "bid"
    """Offers to take: energy, or the execution of a batch."""


class MarketKind(StrEnum):
    """Kind of a node's answer to a market's call."""

    QUOTES = "quotes"
    """Steps of its supply and demand curves (double auction, belief and auction)."""
    EXCHANGE = "exchange"
    """Net trades of every slot of the look-ahead (exchange ADMM)."""


@dataclass(frozen=True, slots=True)
class WorkProfile:
    """Cost of one batch of one kind of work on one node, above the static power (methods.md section 1)."""

    stage: Stage
    seconds_per_batch: float
    joules_per_batch: float
    """Computation, and the node's radio towards its users: receiving their requests of a batch, sending the answers."""
    bytes_per_batch: int
    """Bytes that travel when a batch is offloaded, payload as serialised."""
    model_j: float = 0.0
    """Radio energy of a slot in which the node runs any of this work, however many batches: model parameters
    received and, in training, sent back."""
    request_j: float = 0.0
    """Part of ``joules_per_batch`` for receiving from the users: used by the batch's owner, whichever node runs it."""


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


@dataclass(frozen=True, slots=True)
class Telemetry:
    """State of a node before slot ``slot``: everything that a policy may know about it."""

    node_id: str
    boot_id: str
    seq: int
    slot: int
    battery_uj: int
    harvest_forecast_uj: tuple[int, ...]
    """Expected harvest of this slot and the following ones of the horizon."""
    backlog_batches: tuple[int, ...]
    """Own batches not yet done, by slots left to their deadline: index 0 must be done in this slot."""
    release_forecast_batches: tuple[int, ...] = ()
    """Batches to be released in the following slots of the horizon, from slot + 1 on."""
    mean_loss: float | None = None
    """Last mean training loss, for Oort's utility. None before the first training."""


@dataclass(frozen=True, slots=True)
class Send:
    """Part of a decision: own batches to send to an executor."""

    executor: str
    address: str
    batches: int


@dataclass(frozen=True, slots=True)
class Guest:
    """Part of a decision: batches to expect from an owner."""

    owner: str
    batches: int


@dataclass(frozen=True, slots=True)
class Decision:
    """One node's part of the slot's decision. Executed once, refused when stale (older or repeated epoch, slot)."""

    node_id: str
    epoch: int
    slot: int
    stage: Stage
    awake: bool
    own_batches: int
    """Own batches to run here."""
    sends: tuple[Send, ...]
    guests: tuple[Guest, ...]
    export_uj: int
    """Energy to give to others in total, as it leaves the green bus."""
    charge_uj: int
    """Harvest to store before serving the own load; surplus beyond it is stored too while there is room."""
    discharge_uj: int
    """Largest discharge of the battery; it is used only as far as load and exports need it."""
    deadline_s: float
    """Wall seconds after which the coordinator continues without this node."""
    self_managed: bool = False
    """True for a market's decision, which covers only exchanges with other nodes. The node itself chooses the own
    batches it runs, its charge and its discharge; own_batches, charge_uj and discharge_uj are 0 and are ignored."""


# --- markets: trading without complete information (methods.md section 2) ----------------------------------


@dataclass(frozen=True, slots=True)
class MarketTerms:
    """Public quantities before a slot's market: intensities, limits and the protocol's parameters."""

    kind: MarketKind
    intensity_g_per_kwh: tuple[float, ...]
    """(H,) of the node's own zone: the slot itself, then what is expected."""
    later_g_per_kwh: float
    """Mean intensity expected after the look-ahead, for the value of a stored joule."""
    scarcity: tuple[float, ...]
    """(H,) expected value of a later joule, as a share of the own intensity; empty: 1."""
    offload_cap_fraction: float
    transfer_cap_fraction: float
    net_j_per_byte: float
    bytes_per_batch: tuple[float, ...]
    """(H,)."""
    offloadable: tuple[bool, ...]
    """(H,)."""
    unit_j: float = 1.0
    """Exchange only: size of one unit of energy, work and price, so that all figures are near 1."""
    unit_batches: float = 1.0
    unit_g_per_j: float = 1.0
    unserved_g: float = 0.0
    """Exchange only: cost of a batch that is not run by its deadline."""
    rho: float = 1.0
    work_weight: float = 1.0
    """Exchange only: ratio of rho of work to rho of energy."""
    relaxation: float = 1.6


@dataclass(frozen=True, slots=True)
class MarketCall:
    """Opens the market of a slot (attempt 0), or opens it again without the nodes that did not answer."""

    node_id: str
    epoch: int
    slot: int
    attempt: int
    terms: MarketTerms


@dataclass(frozen=True, slots=True)
class Fill:
    """Result of a node's quotes of one good and side."""

    good: Good
    side: Side
    price_g: float
    quantity: float


@dataclass(frozen=True, slots=True)
class MarketNews:
    """Result of a round for one node; to be answered with Offers of the same round."""

    node_id: str
    epoch: int
    slot: int
    attempt: int
    round: int
    fills: tuple[Fill, ...] = ()
    mean_trades: tuple[float, ...] = ()
    """Exchange only: (2 H,) mean net trade of all, energy then work, in the terms' units."""
    rho_factor: float = 1.0
    """Exchange only: by how much rho has changed."""
    firm: bool = False
    """Exchange only: the last round; the answer has the quantities that the node can certainly give and take in this
    slot."""


@dataclass(frozen=True, slots=True)
class Quote:
    """One step of a supply or demand curve. Quantities of work are whole batches."""

    good: Good
    side: Side
    price_g: float
    quantity: float


@dataclass(frozen=True, slots=True)
class Offers:
    """A node's answer in a market: public quantities only."""

    node_id: str
    epoch: int
    slot: int
    attempt: int
    round: int
    """0: answer to the call; k: answer to the news of round k."""
    quotes: tuple[Quote, ...] = ()
    trades: tuple[float, ...] = ()
    """Exchange only: (2 H,) net trades, energy then work: given minus taken by the node."""


@dataclass(frozen=True, slots=True)
class CloseSlot:
    """The slot has ended: read the meter and report usage."""

    epoch: int
    slot: int


@dataclass(frozen=True, slots=True)
class EnergyLine:
    """Joules of one stage and component, with their provenance."""

    stage: Stage
    component: Component
    energy_uj: int
    provenance: str


@dataclass(frozen=True, slots=True)
class Moved:
    """Batches exchanged with one peer, as counted on this side. ``sent``: this node was the owner."""

    peer: str
    sent: bool
    batches: int
    payload_bytes: int


@dataclass(frozen=True, slots=True)
class Executed:
    """Batches of ``owner`` that this node ran."""

    owner: str
    batches: int


@dataclass(frozen=True, slots=True)
class UserTraffic:
    """Payload that a node exchanged with the devices of users: requests and answers, or data to be prepared."""

    owner: str
    """Node whose users these are: the node itself, or the owner of offloaded batches that it answered."""
    stage: Stage
    """Application stage for outside clients in every slot; otherwise the slot's stage."""
    up_bytes: int
    """From the devices to this node; only its own users send to it."""
    down_bytes: int
    """From this node to the devices."""
    outside: bool = False
    """True for outside clients (EdgeInference), which are in no plan."""


@dataclass(frozen=True, slots=True)
class Serving:
    """Requests that a node answered in a slot. Latencies from arrival to answer; None where none was answered."""

    service: str
    """The learned task, or the name of another service."""
    requests: int
    tokens_in: int
    """Input tokens (prompts) of a task that generates; 0 of a classifier."""
    tokens_out: int
    """Generated tokens; 0 of a classifier, whose answers are bits, not tokens."""
    bits: int
    deadline_misses: int
    """Answered later than the latency target."""
    latency_p50_s: float | None
    latency_p95_s: float | None
    latency_p99_s: float | None
    latency_bins: tuple[int, ...]
    """Bins of protos.latency with at least one request, ascending."""
    latency_counts: tuple[int, ...]
    """Requests in each of them."""
    prefill_s: float
    """Board time of passes over the input; all board time where no token is generated."""
    decode_s: float
    """Board time of the steps that generate one token each."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a node used in a slot, metered; sent once the slot is closed."""

    node_id: str
    boot_id: str
    seq: int
    epoch: int
    slot: int
    lines: tuple[EnergyLine, ...]
    harvest_uj: int
    executed: tuple[Executed, ...]
    moved: tuple[Moved, ...]
    model_bytes: int
    """Bytes of model parameters received and sent by this node."""
    mean_loss: float | None = None
    serving: tuple[Serving, ...] = ()
    """Requests of own and offloaded batches of the slot, in slot time, by service."""
    outside: Serving | None = None
    """Requests of outside clients (EdgeInference), in wall time; none of them are in ``serving``."""
    unserved_requests: int = 0
    """Own requests whose batches were not served in time."""
    own_work: OwnWork | None = None
    """Set for self-managed decisions only."""
    users: tuple[UserTraffic, ...] = ()
    """Bytes of the slot that (T1) counts, and data received in the preparation stage."""

    @property
    def served(self) -> tuple[Serving, ...]:
        """All answered requests: by service, then of outside clients."""
        return self.serving if self.outside is None else (*self.serving, self.outside)


@dataclass(frozen=True, slots=True)
class OwnWork:
    """Private quantities that the ledger needs and the market does not, disclosed after the slot has ended."""

    own_batches: int
    """Own batches that the node chose to run at home."""
    backlog_batches: tuple[int, ...]
    """Own batches before the decision, by slots left to their deadline (Telemetry's)."""


@dataclass(frozen=True, slots=True)
class EnergyGrant:
    """Result of the slot's trade for one node, after every party has reported or was dropped."""

    node_id: str
    epoch: int
    slot: int
    export_uj: int
    """Leaves this node's green bus."""
    import_uj: int
    """Arrives on this node's green bus, losses already taken off."""


@dataclass(frozen=True, slots=True)
class Settlement(storage.Balance):
    """A node's energy balance of a slot, as reported by the node."""

    node_id: str
    boot_id: str
    seq: int
    epoch: int
    slot: int


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


UpMessage = Register | Heartbeat | Telemetry | Usage | Settlement | Refusal | Offers
DownMessage = Welcome | Decision | CloseSlot | EnergyGrant | Ack | Refusal | MarketCall | MarketNews
MarketMessage = MarketCall | MarketNews | Offers


# --- batches between nodes ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Parcel:
    """Batches on their way from owner to executor. Arrays travel as raw bytes with dtype and shape, never pickled."""

    run_id: str
    epoch: int
    slot: int
    owner: str
    executor: str
    batch_ids: tuple[int, ...]
    tensors: tuple[Tensor, ...]
    """Per tensor of the task (e.g. images, labels) all batches of its service concatenated along axis 0."""
    batch_sizes: tuple[int, ...]
    """Examples per batch, so that the executor can cut the batches apart again."""
    batch_services: tuple[int, ...] = ()
    """Service of each batch, where an application stage has several: 0 the learned task, k the k-th other service.
    Tensors of service k hold only its batches and are called ``k:NAME``. Empty: all batches are of service 0."""


def tensor_name(service: int, name: str) -> str:
    """Name in a parcel of array ``name`` of a service's batches."""
    return f"{service}:{name}" if service else name


def service_of_tensor(name: str) -> int:
    """Service of a parcel's tensor."""
    number, colon, _ = name.partition(":")
    return int(number) if colon and number.isascii() and number.isdigit() else 0


@dataclass(frozen=True, slots=True)
class Tensor:
    name: str
    dtype: str
    """A name from the codec's allow list, e.g. ``uint8``, ``int64``, ``float32``."""
    shape: tuple[int, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """Answer of the executor: it has the batches (accepted), or refuses them (reason)."""

    accepted: bool
    payload_bytes: int
    reason: str = ""


# --- outside clients ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class InferRequest:
    """A client's examples to be answered with a node's latest global model."""

    request_id: str
    node_id: str
    """Empty: the only node at this address."""
    tensors: tuple[Tensor, ...]
    """Inputs of the task (e.g. images), axis 0 the examples."""


@dataclass(frozen=True, slots=True)
class InferAnswer:
    """Answers to one request, with a breakdown of the time."""

    request_id: str
    node_id: str
    tensors: tuple[Tensor, ...]
    """E.g. classes and confidences, or generated tokens; axis 0 the examples."""
    tokens_in: int
    tokens_out: int
    queue_s: float
    """Time of waiting for other requests and for the board."""
    service_s: float
    """Of the whole batch."""
    batch_examples: int
    """Examples that shared the batch, of all callers."""


# --- the runner's side: calls of the Flower strategy and the command line ----------------------------------


@dataclass(frozen=True, slots=True)
class BeginSlot:
    """Decide slot ``slot``. Idempotent: a repeat returns the stored decision."""

    slot: int
    stage: Stage
    wait_s: float
    """Longest wait for telemetry of nodes that hold a lease."""


@dataclass(frozen=True, slots=True)
class SlotPlan:
    """The whole decision of a slot, for the runner."""

    epoch: int
    slot: int
    decisions: tuple[Decision, ...]
    lost_nodes: tuple[str, ...]
    """Registered nodes without a lease."""
    status: str
    """``optimal``, ``feasible`` or ``rule``, with the solver's message; ``fallback: ...`` names a fallback that was
    used."""
    gap_fraction: float | None
    decide_s: float


@dataclass(frozen=True, slots=True)
class EndSlot:
    """Close, meter, trade, settle and book slot ``slot``. Idempotent.

    ``coordinator_uj`` and ``network_bytes`` of the runner's own part: central evaluation and aggregation work.
    """

    slot: int
    wait_s: float
    aggregated_parameters: int = 0
    evaluated_examples: int = 0


@dataclass(frozen=True, slots=True)
class SlotSummary:
    """Totals of a slot, from the ledger."""

    slot: int
    emissions_pg: int
    grid_uj: int
    green_uj: int
    demand_uj: int
    moved_batches: int
    transferred_uj: int
    executed_batches: int
    unserved_batches: int
    settled_nodes: tuple[str, ...]
    missing_nodes: tuple[str, ...]
    """Nodes whose reading of this slot is missing: an explicit unmetered gap."""


@dataclass(frozen=True, slots=True)
class StatusRequest:
    pass


@dataclass(frozen=True, slots=True)
class Status:
    run_id: str
    epoch: int
    next_slot: int
    nodes: tuple[str, ...]
    live_nodes: tuple[str, ...]
    pid: int


@dataclass(frozen=True, slots=True)
class ReportQuery:
    """Totals of a run: per node and per stage."""

    node_id: str = ""
    """Empty: all nodes."""


@dataclass(frozen=True, slots=True)
class ReportLine:
    node_id: str
    stage: Stage
    component: Component
    energy_uj: int
    emissions_pg: int


@dataclass(frozen=True, slots=True)
class Report:
    run_id: str
    lines: tuple[ReportLine, ...]
    tokens_in: int
    tokens_out: int
    bits: int
    requests: int
    labels: dict[str, str] = field(default_factory=dict)
