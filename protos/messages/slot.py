"""One slot of a node: telemetry, its part of the decision, usage, energy grant and settlement."""

from __future__ import annotations

from dataclasses import dataclass

from carbon_data import storage
from protos.messages.terms import Component, MeterKind, RequestPart, Stage
from protos.messages.work import WorkProfile


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
    work: tuple[WorkProfile, ...] = ()
    """What the node has learned since it registered of what its work costs; empty: as it registered."""
    battery_was_read: bool = False
    """Whether ``battery_uj`` is what the battery's gauge shows, and not what follows from its flows."""


@dataclass(frozen=True, slots=True)
class Send:
    """Part of a decision: own batches to send to an executor."""

    executor: str
    address: str
    batches: int
    handed: int = 0
    """Of ``batches``, those whose prompts this node reads; the executor goes on with their caches."""


@dataclass(frozen=True, slots=True)
class Guest:
    """Part of a decision: batches to expect from an owner."""

    owner: str
    batches: int
    handed: int = 0
    """Of ``batches``, those whose prompts the owner reads."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a language model answered in one turn of a conversation, as the ledger has it."""

    turn: int
    tokens: tuple[int, ...]
    text_bytes: int


@dataclass(frozen=True, slots=True)
class Recalled:
    """Part of a decision: a turn whose node does not have the conversation. It is an own batch of the node, or one of
    a node that was lost, which this node answers in its place."""

    conversation: int
    turn: int
    batch_id: int
    """Its number at this node; one of a lost node has a number after all that the node was configured with."""
    answers: tuple[Answer, ...]
    """Of the turns before, as far as they are in the ledger."""
    lost_node: str = ""
    """Node that it was lost with; empty: it is this node's own."""
    due: int = 0
    """Of one of a lost node: slot in which it should have been answered."""
    asked_s: float = 0.0
    """Likewise: when it was asked, seconds of slot time."""


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
    remaining_s: float | None = None
    """Seconds from now until the slot is due to end. Never a time of day: clocks of boards differ. None on the virtual
    clock."""
    missed: bool = False
    """The slot's time went by while the one before overran: nobody works in it."""
    point: int = 0
    """Operating point of the board, by its number in ``NodeProfile.points``; 0: full speed."""
    recalled: tuple[Recalled, ...] = ()
    """Turns of conversations that this node does not have, or has from a lost node; those of lost nodes count among
    ``own_batches``."""


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
class Metered:
    """How well a sensor's reading of a slot is known. Meters that read no sensor have none."""

    kind: MeterKind
    energy_uj: int
    """What the lines of the reading add up to."""
    half_width_uj: int | None
    """Half of the 95 % interval. None of an estimate: what it leaves out is not known."""
    bias_uj: int | None
    """The part of it, squares added, that is the same in every window of this sensor: its step. The rest differs from
    window to window."""
    rate_hz: float
    """Samples per second really taken."""
    coverage_fraction: float
    """Share of the window without gaps."""
    gaps: int
    window_s: float
    """Time between the window's edges."""


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
class ServedRequest:
    """One request to a language model. Its joules are its part of the reading's lines of computation, static power and
    waste of the application stage: those of all requests of a reading and its ``other_waste_uj`` add up to these
    lines."""

    owner: str
    """Node whose user asked."""
    batch_id: int
    """Number of its batch at the owner."""
    place: int
    """In the batch, from 0."""
    cached_tokens: int
    """Of the prompt, that were not read again."""
    prefilled_tokens: int
    """Of the prompt, that were read."""
    tokens_out: int
    """Generated; the first one comes out of reading the prompt."""
    prefill_uj: int
    """Of reading the prompt, by the server's own timings."""
    decode_uj: int
    """Of the steps after the first token."""
    waste_uj: int
    """Of a request that failed."""
    half_width_uj: int | None
    """Half of the 95 % interval of the request's own reading; None where the meter has none."""
    latency_s: float
    """From arrival to the last token, or to the failure."""
    first_token_s: float | None
    """From arrival to the first token; None of a request that failed."""
    token_gap_s: float | None
    """Between two tokens on average; None with fewer than two."""
    content_bits: int
    """Of the texts of prompt and answer."""
    wire_bytes: int
    """What travelled for them, framing included."""
    failed: str = ""
    """Why it was not answered; empty: it was."""
    part: RequestPart = RequestPart.WHOLE
    """What this node did of it. Of a prompt that was read here and is answered elsewhere, tokens read and joules count
    here; tokens out, bits and wire bytes where it is answered."""
    cache_bytes: int = 0
    """Of the prompt's cache as it travelled; 0 of a whole request."""
    same: bool | None = None
    """Whether the answer with the cache was the same as without it; None: not tried, which costs the whole request."""
    answer: tuple[int, ...] = ()
    """Of a turn of a conversation: its tokens, so that the conversation survives the node. Empty of other requests."""
    answer_bytes: int = 0
    """Of its text."""


@dataclass(frozen=True, slots=True)
class OwnWork:
    """Private quantities that the ledger needs and the market does not, disclosed after the slot has ended."""

    own_batches: int
    """Own batches that the node chose to run at home."""
    backlog_batches: tuple[int, ...]
    """Own batches before the decision, by slots left to their deadline (Telemetry's)."""


@dataclass(frozen=True, slots=True)
class SleepReport:
    """What a board with an actuator did, whatever was decided."""

    asleep: bool
    """Whether it slept when the slot ended. Where it did not, the slot is booked as awake."""
    failed: str = ""
    """What could not be switched, and why; empty: nothing failed."""
    wake_s: float | None = None
    """Wall seconds of a wake-up in this slot, until the board was ready; None: there was none."""
    wake_uj: int | None = None
    """What was read of it, idle power included; None: nothing was read."""
    wake_half_width_uj: int | None = None
    """Half of the 95 % interval of ``wake_uj``."""
    provenance: str | None = None
    """Of ``wake_uj``, a carbon_data.types.Provenance value."""


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
    metered: Metered | None = None
    """None where the joules were modelled, or where the meter says nothing of their quality."""
    sleep: SleepReport | None = None
    """Of nodes whose sleep is real, in every slot."""
    duration_s: float | None = None
    """On the wall clock: how long the node's window was, by its monotonic clock. Lines, harvest and battery are of this
    time. None on the virtual clock, where a slot has its configured length."""
    harvest_metered: Metered | None = None
    """How well ``harvest_uj`` is known, where a sensor measured it."""
    requests: tuple[ServedRequest, ...] = ()
    """Of a node that serves a language model: every request of the slot's batches."""
    other_waste_uj: int | None = None
    """Of the lines of waste in the application stage, what no failed request took: answers that were gone through once
    more, and attempts with a cache that came to nothing, of requests that were answered. None without ``requests``."""

    @property
    def served(self) -> tuple[Serving, ...]:
        """All answered requests: by service, then of outside clients."""
        return self.serving if self.outside is None else (*self.serving, self.outside)


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
