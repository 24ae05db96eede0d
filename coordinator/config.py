"""Configuration of the coordinator process: one JSON file in the run folder, strict."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator

from coordinator.market.fleet import CapOver, Limits
from protos.access.config import Access
from protos.messages.terms import Overrun, Stage

EXIT_LEDGER_FAILED = 70
"""Of a coordinator whose ledger cannot be written: it would fail again."""


class Strict(BaseModel):
    """Unknown keys, NaN and infinities are refused; values do not change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, ser_json_inf_nan="constants")


_LIMITS = Limits()


class LimitsConfig(Strict):
    """See coordinator.market.fleet.Limits."""

    offload_cap_fraction: float = Field(default=_LIMITS.offload_cap_fraction, ge=0, le=1)
    transfer_cap_fraction: float = Field(default=_LIMITS.transfer_cap_fraction, ge=0, le=1)
    transfer_cap_over: CapOver = _LIMITS.transfer_cap_over
    deadline_slots: int = Field(default=_LIMITS.deadline_slots, ge=0)
    may_sleep: bool = _LIMITS.may_sleep
    net_j_per_byte: float = Field(default=_LIMITS.net_j_per_byte, ge=0)


class ForecastIssue(Strict):
    """Forecast of the coming slots issued at one moment: used as it is, from ``from_slot`` until the next issue."""

    issued: str
    """Aware UTC time, ISO 8601."""
    from_slot: int = Field(ge=0)
    """First decision that may use it: the first slot that begins at the time of issue or later; 0 for the newest issue
    before the run."""
    g_per_kwh: tuple[float, ...]
    """Expected of the slots after ``from_slot``, which is itself known, g CO2e per kWh."""
    given_slots: int = Field(ge=0)
    """As many of them come from the issue; the others continue it by the rule that the run's metadata state."""


class FrozenReading(Strict):
    """How a slot's intensity was known when the slot began. Times are aware UTC, ISO 8601."""

    at: str
    """When the slot began."""
    of: str
    until: str
    """The interval that the value is for."""
    received: str
    age_s: float = Field(ge=0)
    """From the interval's end to the slot's beginning; 0 while the interval lasted."""
    stale: bool
    """Older than the scenario calls fresh."""
    kept: bool
    """Older than the scenario allows, and used because it says so."""
    estimated: bool
    """By the service's own account."""


class LiveSignal(Strict):
    """One zone's intensity from a service that is polled."""

    zone: str
    service: str
    place: str | None = None
    scope: str | None = None
    base_url: str | None = None
    marginal: bool = False
    """For the column of marginal accounting, not for decisions."""
    poll_s: float = Field(ge=0)
    stale_after_s: float = Field(ge=0)
    refuse_after_s: float = Field(ge=0)
    keep: bool = False
    """Whether a value above ``refuse_after_s`` is used all the same."""


class LiveConfig(Strict):
    """Live intensity. Keys of services are not here: the coordinator reads them itself (carbon_data.live.keys)."""

    signals: tuple[LiveSignal, ...] = Field(min_length=1)
    step_s: float = Field(gt=0)
    """How far apart slots are, for forecasts."""
    wait_s: float = Field(ge=0)
    """Wall seconds for which a slot waits for a value that is missing."""
    own_forecast: bool = True
    """Use the services' own forecasts; False: persistence alone."""

    @property
    def zones(self) -> tuple[str, ...]:
        """Zones whose intensity of decisions is live."""
        return tuple(signal.zone for signal in self.signals if not signal.marginal)


class ZoneIntensity(Strict):
    """Intensity of one zone for every slot of the run, g CO2e per kWh."""

    zone: str
    intensity_g_per_kwh: tuple[float, ...]
    """Empty where it is live: each slot's value is an entry of the ledger."""
    forecast_g_per_kwh: tuple[float, ...] = ()
    """What is expected of each slot until it comes; empty: the future is known (perfect forecast), or ``issues``."""
    issues: tuple[ForecastIssue, ...] = ()
    """Forecasts with a time of issue, oldest first; not with ``forecast_g_per_kwh``."""
    readings: tuple[FrozenReading, ...] = ()
    """Of a recorded live run: how each slot's value was known."""
    origin: dict[str, str | None]
    """carbon_data.types.Origin as text: source, licence, signal, scope, provenance, sha256."""


class CoordinatorBody(Strict):
    """The coordinator's own board and the router: lines of their own in the books."""

    zone: str
    static_w: float = Field(ge=0)
    joules_per_aggregated_parameter: float = Field(ge=0)
    joules_per_evaluated_example: float = Field(ge=0)
    router_w: float = Field(ge=0)


class NodeBounds(Strict):
    """What a node can draw, harvest and store, as the scenario has it: its word is checked against this before it is
    booked (coordinator.slots.plausibility)."""

    node_id: str
    power_w: float = Field(ge=0)
    """While it computes, static power included."""
    wake_j: float = Field(ge=0)
    radio_j_per_byte: float = Field(ge=0)
    harvest_w: float = Field(ge=0)
    """Largest mean power of a slot in its series, forecasts included."""
    battery_j: float = Field(ge=0)
    charge_w: float = Field(ge=0)
    discharge_w: float = Field(ge=0)
    least_s: float = Field(default=0.0, ge=0)
    """A slot counts as at least so long: a meter that times real work reads more than a short slot's model."""


class TurnConfig(Strict):
    """One turn of a user's conversation with a language model: known beforehand, as traces are."""

    slot: int = Field(ge=0)
    owner: str
    """Node that the user was at before, which has the conversation; of the first turn, the one that it begins at."""
    batch_id: int = Field(ge=0)
    """Number of its batch at the owner."""
    conversation: int = Field(ge=0)
    turn: int = Field(ge=0)
    at: str
    """Node that the user is at now."""
    cache_bytes: int = Field(default=0, ge=0)
    """Of the cache of the turns before; 0 of the first."""
    asked_s: float = Field(default=0.0, ge=0)
    """When it is asked, seconds of slot time."""
    read_again_j: float = Field(default=0.0, ge=0)
    """What reading these turns again takes at ``at``, above static power: calibrated where costs are, else counted."""


class CoordinatorConfig(Strict):
    run_id: str
    ledger_path: Path
    policy: str
    """A name from the registry or ``package.module:Name``."""
    policy_options: dict[str, str | int | float | bool] = {}
    seed: int = 0
    slot_s: float = Field(gt=0)
    overrun: Overrun | None = None
    """On the wall clock: what becomes of a slot whose work takes longer. None: the virtual clock."""
    stages: tuple[Stage, ...]
    """Life-cycle stage of every slot of the run."""
    node_ids: tuple[str, ...] = Field(min_length=1)
    """Nodes that belong to this run; no other node may register."""
    zones: tuple[ZoneIntensity, ...]
    live: LiveConfig | None = None
    horizon_slots: int = Field(default=1, ge=1)
    """H: slots that a policy optimises, the present one among them, as far as the run goes."""
    known_slots: int = Field(default=1, ge=1)
    """Slots that a policy knows of at least, as far as the run goes: they value what is stored after H (D9)."""
    day_slots: int = Field(default=24, ge=1)
    """Slots in a day of trace time."""
    forecast_known_slots: int = Field(default=0, ge=0)
    """Slots ahead for which the zones' forecasts rest on the past (persistence: a day); 0: for all."""
    harvest_spread_fraction: float = Field(default=0.0, ge=0)
    """Standard deviation of a day's harvest around its forecast, as a share of it."""
    foresight: bool = False
    """Tell the policy that the look-ahead is the truth: for the oracle, which refuses to plan on less."""
    limits: LimitsConfig = LimitsConfig()
    request_deadline_slots: int | None = Field(default=None, ge=0)
    """Slots that requests of the application stage may wait under their latency target; None: no target."""
    bounds: tuple[NodeBounds, ...] = ()
    """Of nodes whose board and panel are known; the readings of others are bounded by the ledger's range alone."""
    measured_batteries: tuple[str, ...] = ()
    """Nodes whose batteries have a gauge: what it shows goes before what follows from their flows."""
    plausible_power_times: float = Field(default=20.0, ge=1)
    plausible_harvest_times: float = Field(default=1.5, ge=1)
    """Margins: a reading of so many times the bound, or less, is believed."""
    turns: tuple[TurnConfig, ...] = ()
    """Of conversations, in the order of slots, owners and their batches."""
    body: CoordinatorBody
    tree_alpha_bits_per_token: float = Field(ge=0)
    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65535)
    access: Access = Access()
    """Its certificate, or the run's secret."""
    heartbeat_s: float = Field(default=2.0, gt=0)
    lease_s: float = Field(default=6.0, gt=0)

    @field_validator("turns")
    @classmethod
    def _in_order(cls, turns: tuple[TurnConfig, ...]) -> tuple[TurnConfig, ...]:
        for one, two in pairwise(turns):
            if one.slot > two.slot:
                raise ValueError(
                    f"a turn of slot {two.slot} after one of slot {one.slot}; allowed is the order of slots"
                )
        return turns

    @property
    def look_ahead_slots(self) -> int:
        """Slots of which nodes and forecasts must tell, the present one among them."""
        return max(self.horizon_slots, self.known_slots)
