"""The declared experiment: one validated TOML file.

Everything a run depends on is in here or in the data it names. Unknown keys, wrong types, NaN, negative
capacities and impossible caps are refused with the line and what is allowed; zones and data are checked in
``resolve``, which names the line as well (``Scenario.at``).

Upper bounds have no physical meaning. They keep integer microjoules within 64 bits, and prevent that a typing error (a
batch of 1e9 images, a billion slots) takes all memory or many hours.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from carbon_data.sources.registry import intensity_source
from experiments.errors import UsageError
from experiments.scenario.refusals import explain
from experiments.scenario.where import NOWHERE, Where
from protos.messages import Stage

if TYPE_CHECKING:
    from carbon_data.sources.base import IntensitySource

YEAR_S = 366 * 86_400.0
MAX_SEED = 2**31 - 1
MAX_SLOTS = 100_000
MAX_NODES = 100_000
MAX_FILE_BYTES = 1_000_000
"""Larger files are refused without being read: a scenario has a page or two, and /dev/zero never ends."""

Fraction = Annotated[float, Field(ge=0, le=1)]
Power = Annotated[float, Field(ge=0, le=1e6)]
"""W; a megawatt is beyond any edge node."""
LimitPower = Annotated[float, Field(gt=0, le=1e6)]


def _beside_the_scenario(path: Path, info: ValidationInfo) -> Path:
    """The path, relative to the folder of the scenario's file: a scenario and its traces can be moved together."""
    folder: Path | None = (info.context or {}).get("folder")
    return path if folder is None else folder / path.expanduser()


File = Annotated[Path, Field(strict=False), AfterValidator(_beside_the_scenario)]
"""TOML has no paths: they are written as strings."""


def _as_tuple(value: Any) -> Any:
    """TOML has lists where the models have tuples."""
    return tuple(value) if isinstance(value, list) else value


Option = str | float | int | bool | dict[str, float]
"""Of a source: a plain value, or one for each zone."""


class Strict(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, strict=True, use_attribute_docstrings=True
    )


class TimeSpec(Strict):
    """Physical length of a slot, and the time by which the traces advance in a slot."""

    start: datetime = datetime(2022, 6, 21, tzinfo=UTC)
    """First interval of the traces; an aware time, e.g. 2022-06-21T00:00:00Z."""
    trace_step_s: float = Field(default=3600.0, ge=1, le=YEAR_S)
    """Time by which the traces of grid intensity and harvest advance per slot."""
    slot_s: Literal["auto"] | Annotated[float, Field(gt=0, le=YEAR_S)] = "auto"
    """Physical length of a slot; ``auto``: twice the mean busy time of a node in the busiest stage, and long
    enough for the busiest node."""
    scale_storage: bool = True
    """Multiply battery capacities by slot_s / trace_step_s, so that a battery lasts as many hours of the replayed
    day as it would in real time."""

    @field_validator("start", mode="before")
    @classmethod
    def _aware(cls, value: Any) -> Any:
        if not isinstance(value, datetime) or value.tzinfo is None:
            raise ValueError("needs date, time and time zone, without quotes: e.g. 2022-06-21T00:00:00Z")
        return value


class StagesSpec(Strict):
    """Slots of each life-cycle stage, in this order."""

    preparation: int = Field(default=1, ge=0, le=MAX_SLOTS)
    """Receiving and preprocessing data."""
    development: int = Field(default=15, ge=0, le=MAX_SLOTS)
    """Training; one federated round per slot."""
    application: int = Field(default=6, ge=0, le=MAX_SLOTS)
    """Serving requests with the trained model."""
    recycling: int = Field(default=2, ge=0, le=MAX_SLOTS)
    """Transfer of the trained model to a second task."""

    @model_validator(mode="after")
    def _something_to_do(self) -> StagesSpec:
        total = self.preparation + self.development + self.application + self.recycling
        if not 1 <= total <= MAX_SLOTS:
            raise ValueError(f"{total} slots in all; allowed are 1 to {MAX_SLOTS}")
        return self

    def slots(self) -> tuple[Stage, ...]:
        """Stage of every slot of the run."""
        return tuple(
            stage
            for stage in (Stage.PREPARATION, Stage.DEVELOPMENT, Stage.APPLICATION, Stage.RECYCLING)
            for _ in range(getattr(self, stage.value))
        )


class RecyclingSpec(Strict):
    """The second task to which the finished model is transferred."""

    data: str | None = None
    """Data set of the second task; none: the task's own choice, e.g. the same images inverted."""
    learning_rate: float | None = Field(default=None, gt=0)
    """Step of the second task's training; none: the first task's."""


class TaskSpec(Strict):
    """The learned task, its data, and the unit of work."""

    name: str = "mnist-mlp"
    """A name of `detabed list tasks`, or `package.module:Name`."""
    data: str = "auto"
    """``digits`` (ships with scikit-learn), ``mnist`` (data folder), or ``auto``: mnist where present, else digits."""
    batch_size: int = Field(default=8, ge=1, le=1_000_000)
    """Examples of a batch, the unit of work that policies allocate."""
    batches_per_slot: Literal["pass"] | Annotated[int, Field(ge=1, le=1_000_000)] = "pass"
    """Batches a node releases per development slot; ``pass``: one pass over its share."""
    local_epochs: int = Field(default=3, ge=1, le=10_000)
    """Passes over each batch within its slot; an offloaded batch is moved once."""
    learning_rate: float = Field(default=0.1, gt=0)
    """Step of stochastic gradient descent."""
    partition: Literal["iid", "dirichlet"] = "iid"
    """How examples are divided among the nodes: ``iid``, or with label skew (``dirichlet``)."""
    dirichlet_alpha: float = Field(default=0.5, gt=0)
    """Concentration of the label skew; smaller is more skewed (dirichlet)."""
    strategy: str = "fedavg"
    """Flower strategy: fedavg, fedprox, fedavgm, fedadam, fedyogi, fedadagrad, fedmedian, fedtrimmedavg, krum ..."""
    strategy_options: dict[str, float | int | bool | str] = {}
    """Arguments of the strategy."""
    target_accuracy_fraction: Annotated[float, Field(gt=0, le=1)] | None = None
    """Test accuracy at which reports state rounds and grams; none: the highest that every run of a comparison
    reached. Runs continue after it, so that all do the same work."""
    round_deadline_s: float = Field(default=60.0, gt=0, le=YEAR_S)
    """Wall seconds after which a round continues without the nodes that have not answered."""
    recycling: RecyclingSpec = RecyclingSpec()


class ServiceSpec(Strict):
    """A service in addition to the learned task, in the same application slots: requests of another task, typically one
    that generates tokens. Its model is drawn from the seed and not trained (generating costs the same joules); its
    batches can be offloaded like all others."""

    name: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    """Name in tables and reports; none: the task's name."""
    task: str = "tiny-gpt"
    """A name of `detabed list tasks`, or `package.module:Name`."""
    data: str = "default"
    """Data set of its requests; ``default``: the task's own data set that needs no download."""
    arrivals: Literal["poisson", "diurnal"] = "poisson"
    """Open loop: Poisson, or Poisson with a rate that follows the local hour."""
    requests_per_s: float | None = Field(default=None, ge=0, le=1e9)
    """Mean arrivals per node and second of slot time."""
    load_fraction: float | None = Field(default=None, ge=0, le=2)
    """Mean arrivals as a share of what the node's own board can serve. Give either this or requests_per_s."""
    requests_per_batch: int = Field(default=8, ge=1, le=65_536)
    """Largest number of requests in a batch."""
    max_wait_s: float = Field(default=0.05, ge=0)
    """Longest time that a request waits for others to share its batch, in slot time."""
    latency_target_s: float | None = Field(default=None, gt=0)
    """Answers later than this, in slot time, are counted as missed."""
    peak_hour: float = Field(default=20.0, ge=0, lt=24)
    """Busiest local hour (diurnal)."""
    depth_fraction: Fraction = 0.8
    """Amplitude of the rate about its mean, as a share of the mean (diurnal)."""
    prompt_tokens: int | None = Field(default=None, ge=1)
    """Tokens of a request's prompt (tasks that generate); none: the task's own length, 64 for text."""
    answer_tokens: int | None = Field(default=None, ge=1)
    """Tokens generated for a request; none: the task's own length, 16 for text."""

    @property
    def label(self) -> str:
        """Its name in tables and reports."""
        return self.task if self.name is None else self.name

    @model_validator(mode="after")
    def _one_load(self) -> ServiceSpec:
        if (self.requests_per_s is None) == (self.load_fraction is None):
            raise ValueError("give requests_per_s or load_fraction, one of the two: the rate of requests")
        return self


class InferenceSpec(Strict):
    """Load of the application stage: arrivals of requests at every node, and batching."""

    arrivals: Literal["batches", "poisson", "diurnal", "trace"] = "batches"
    """``batches``: batches_per_slot full batches at the slot's beginning; open loop: ``poisson``, ``diurnal``
    (Poisson with a rate that follows the local hour), ``trace`` (arrival times of a file)."""
    batches_per_slot: int = Field(default=24, ge=0, le=1_000_000)
    """Mean load in full batches, where neither requests_per_s nor load_fraction is given."""
    requests_per_batch: int = Field(default=64, ge=1, le=65_536)
    """Largest number of requests in a batch."""
    requests_per_s: float | None = Field(default=None, ge=0, le=1e9)
    """Mean arrivals per node and second of slot time (poisson, diurnal)."""
    load_fraction: float | None = Field(default=None, ge=0, le=2)
    """Mean arrivals as a share of what the node's own board can serve (poisson, diurnal)."""
    max_wait_s: float = Field(default=0.05, ge=0)
    """Longest time that a request waits for others to share its batch, in slot time."""
    latency_target_s: float | None = Field(default=None, gt=0)
    """Answers later than this, in slot time, are counted as missed; work is not deferred beyond it."""
    peak_hour: float = Field(default=20.0, ge=0, lt=24)
    """Busiest local hour (diurnal)."""
    depth_fraction: Fraction = 0.8
    """Amplitude of the rate about its mean, as a share of the mean (diurnal)."""
    path: File | None = None
    """Trace: a CSV with arrival_s (seconds of slot time from the first application slot), and, optionally,
    node_id."""
    services: Annotated[tuple[ServiceSpec, ...], BeforeValidator(_as_tuple)] = ()
    """``[[inference.services]]``: services of the nodes in addition to the learned task."""

    @model_validator(mode="after")
    def _names_differ(self) -> InferenceSpec:
        names = [service.label for service in self.services]
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two services are called {', '.join(doubled)}; give each its own name")
        return self

    @property
    def strictest_target_s(self) -> float | None:
        """The lowest latency target of all services; None: none has one."""
        targets = [self.latency_target_s, *(service.latency_target_s for service in self.services)]
        return min((target for target in targets if target is not None), default=None)

    @model_validator(mode="after")
    def _one_load(self) -> InferenceSpec:
        open_loop = self.arrivals in ("poisson", "diurnal")
        given = [name for name in ("requests_per_s", "load_fraction") if getattr(self, name) is not None]
        if given and not open_loop:
            raise ValueError(f"{given[0]} is for poisson and diurnal arrivals, not for {self.arrivals!r}")
        if len(given) > 1:
            raise ValueError("requests_per_s and load_fraction both set the rate of requests; keep one")
        if (self.path is not None) != (self.arrivals == "trace"):
            raise ValueError('path is only for arrivals = "trace", which needs it; give both or neither')
        return self


class LimitsSpec(Strict):
    """Limits that hold for every policy of a comparison."""

    offload_cap_fraction: Fraction = 0.5
    """b_y: largest share of an owner's batches that may run at other nodes [source: the DETA paper]."""
    transfer_cap_fraction: Fraction = 0.5
    """b_h: largest share of its harvest that a node may give to others [source: the DETA paper]."""
    transfer_cap_over: Literal["slot", "horizon"] = "slot"
    """What b_h is a share of; the paper does not say (choice: slot). ``slot``: each slot's harvest. ``horizon``: all
    harvest from the beginning of the run to that slot, minus the energy given before (auction, admm and belief keep the
    slot's cap, which is stricter)."""
    deadline_slots: int = Field(default=0, ge=0, le=MAX_SLOTS)
    """q: slots by which work may be deferred; 0: none, so that time shifting is a separate factor."""
    may_sleep: bool = False
    """Whether nodes may sleep; with offload_cap_fraction < 1 and deadline_slots = 0 a node that owns work never can."""


class NetworkSpec(Strict):
    transport: str = "wifi"
    """Named figure for the energy in the network per byte (edge_node/energy/transport.toml)."""
    net_j_per_byte: float | None = Field(default=None, ge=0)
    """Overrides ``transport``."""
    net_low_j_per_byte: float | None = Field(default=None, gt=0)
    """Low end of the factor's range in the Monte-Carlo draws (none: the low end of the transport's sources; with
    ``net_j_per_byte``: a range about it as wide as that of Wi-Fi equipment)."""
    net_high_j_per_byte: float | None = Field(default=None, gt=0)
    """High end of that range."""
    link_bit_per_s: float = Field(default=50e6, gt=0)
    """Rate at which requests travel between nodes (choice: a board's share of a Wi-Fi cell); only latency depends
    on it."""
    export_loss_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.025
    """Energy lost on the donor's side of a transfer (choice: 2.5 % on each side, about 5 % in total)."""
    import_loss_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.025
    """Energy lost on the recipient's side."""
    router_w: Power = 0.0
    """Power of the shared router; booked on a separate line in the coordinator's zone."""

    @model_validator(mode="after")
    def _both_ends(self) -> NetworkSpec:
        low, high = self.net_low_j_per_byte, self.net_high_j_per_byte
        if (low is None) != (high is None):
            raise ValueError(
                "net_low_j_per_byte and net_high_j_per_byte are the two ends of one range; give both"
            )
        if low is not None and high is not None and low > high:
            raise ValueError(f"net_low_j_per_byte {low:g} is above net_high_j_per_byte {high:g}; swap them")
        return self


def refuse_doubled(options: Mapping[str, Any], said: Mapping[str, Any]) -> None:
    """Raises UsageError for an option that is also set by the table's keys or by the node."""
    for key in options.keys() & said.keys():
        raise UsageError(
            f"options.{key} = {options[key]!r} has no effect, because the table or its node sets {key} = {said[key]}; "
            "remove it from options"
        )


class IntensitySpec(Strict):
    source: str = "profiles"
    """A name of ``detabed list sources``, or ``package.module:Name``."""
    path: File | None = None
    """Trace file, for source = "trace"."""
    files: dict[str, File] = {}
    """Trace file of each zone, for source = "trace": { DE = "de.csv", FR = "fr.csv" }."""
    options: dict[str, Option] = {}
    """Arguments of the source."""

    def open(self) -> IntensitySource:
        """The source. Raises ValueError or DataError if it cannot be opened."""
        said: dict[str, Any] = {} if self.path is None else {"path": self.path}
        if self.files:
            said["files"] = dict(self.files)
        refuse_doubled(self.options, said)
        return intensity_source(self.source, **self.options, **said)


class AccountingSpec(Strict):
    """Columns in addition to the headline (scope 2, location-based, average); each needs its data."""

    market_g_per_kwh: dict[str, Annotated[float, Field(ge=0)]] = {}
    """Market-based factor by zone: of the contract, or of the residual mix. None: the column is omitted."""
    market_source: str = ""
    """Source of the market-based factors; required with them."""
    marginal: IntensitySpec | None = None
    """Source of marginal intensity, shown beside the average and never mixed with it."""
    lifetime_inferences: float = Field(default=1e6, gt=0)
    """N_life of (L4): inferences over which one-time emissions are spread (choice)."""

    @model_validator(mode="after")
    def _sourced(self) -> AccountingSpec:
        if self.market_g_per_kwh and not self.market_source.strip():
            raise ValueError("market_g_per_kwh has no market_source; name the source of the factors")
        return self


_DIALECT = ("value_unit", "separator", "decimal", "encoding", "timezone")


class ForecastSpec(Strict):
    """Forecasts that nodes and coordinator use for future slots (information regimes, methods.md section 1)."""

    kind: Literal["perfect", "persistence", "clear-sky", "gaussian", "file"] = "perfect"
    """``perfect``: the traces themselves; ``persistence``: as a day before; ``clear-sky``: harvest as under a clear sky
    times the last clearness index (panels only), intensity as a day before; ``gaussian``: the traces with an error;
    ``file``: intensity from issued forecasts in a file, for each decision the newest that is not later."""
    harvest: Literal["perfect", "persistence", "clear-sky", "gaussian"] | None = None
    """Forecast of harvest, where it differs from ``kind``; none: as ``kind``, and persistence for ``file``."""
    error_fraction: float = Field(default=0.1, ge=0)
    """gaussian: standard deviation of the additive error, as a share of the trace's mean."""
    path: File | None = None
    """file: a CSV(.gz) or Parquet file with a row for each zone, time of issue and lead."""
    dataset: Literal["sundial-2022"] | None = None
    """file: forecasts of the data folder by name, instead of ``path``."""
    zone_column: str | None = None
    """file: column of the zone; none: zone, region or zone_key."""
    issued_column: str | None = None
    """file: column of the time of issue, with its time zone; none: issued, issued_at or issue_time."""
    lead_column: str | None = None
    """file: column of the whole steps from the issue to the interval's beginning; none: lead_h or lead."""
    value_column: str | None = None
    """file: column of the values, g CO2e per kWh; none: value, g_per_kwh or forecast_g_per_kwh."""
    lead_unit_s: float = Field(default=3600.0, gt=0, le=YEAR_S)
    """file: length of one step of the lead."""
    delay_h: float = Field(default=0.0, ge=0, le=8784)
    """file: hours from an issue's time until decisions may use it."""
    value_unit: str | None = None
    """file: unit of the values, where it is not g/kWh: kg/MWh, kg/kWh, t/MWh or lb/MWh."""
    separator: str | None = None
    """file: separator of a CSV; none: detected."""
    decimal: Literal[".", ","] | None = None
    """file: decimal mark; none: detected."""
    encoding: str | None = None
    """file: e.g. utf-8, utf-16 or cp1252; none: UTF-8, or by the byte order mark."""
    timezone: str | None = None
    """file: time zone of stamps that do not state one, e.g. UTC or Europe/Berlin."""
    scope: Literal["direct", "life-cycle"] | None = None
    """file: scope of the intensity that ``path`` forecasts; none: as stated in its sidecar PATH.toml."""
    other_scope: bool = False
    """file: whether a forecast of another scope than that of [intensity] is used unchanged; metadata say so."""
    beyond: Literal["refuse", "persistence"] = "refuse"
    """file: beyond an issue's last lead: ``refuse`` the run, or use the same hour of the last known day
    (``persistence``)."""

    @model_validator(mode="after")
    def _one_file(self) -> ForecastSpec:
        own = {"path", "dataset", "other_scope", "beyond", "delay_h", "scope", "lead_unit_s", *_DIALECT} | {
            name for name in type(self).model_fields if name.endswith("_column")
        }
        # a key at its default does not count as given: a scenario written by a run names every key
        given = {name for name in own if getattr(self, name) != type(self).model_fields[name].default}
        if self.kind != "file":
            if strangers := sorted(given):
                raise ValueError(f'{strangers[0]} is for kind = "file", not for {self.kind!r}')
        elif (self.path is None) == (self.dataset is None):
            raise ValueError('kind = "file" needs either path or dataset, e.g. dataset = "sundial-2022"')
        elif self.dataset is not None and (
            strangers := sorted(given - {"dataset", "other_scope", "beyond", "delay_h"})
        ):
            raise ValueError(f"{strangers[0]} is for path; the format of dataset {self.dataset!r} is known")
        return self

    @property
    def of_harvest(self) -> Literal["perfect", "persistence", "clear-sky", "gaussian"]:
        """Kind of the forecasts of harvest."""
        if self.harvest is not None:
            return self.harvest
        return "persistence" if self.kind == "file" else self.kind


class HarvestSpec(Strict):
    kind: str = "pv"
    """``pv``, ``trace``, ``constant``, ``none``, or ``package.module:Name``."""
    peak_w: Power = 10.0
    """Rated power of the panel (pv, trace), or the constant power."""
    tilt_deg: float | None = Field(default=None, ge=0, le=90)
    """None: the latitude, facing the equator."""
    azimuth_deg: float | None = Field(default=None, ge=0, lt=360)
    """Degrees east of north."""
    path: File | None = None
    """Trace file of output per unit of rated power (trace)."""
    region: str | None = None
    """Column or area of the trace (trace, eia-2022)."""
    options: dict[str, Option] = {}
    """Arguments of the source."""


class BatterySpec(Strict):
    capacity_wh: float = Field(default=10.0, ge=0, le=1e6)
    """Usable energy; 0: no battery."""
    initial_fraction: Fraction = 0.0
    """State of charge at the beginning; none of it is counted as emissions."""
    charge_efficiency_fraction: Annotated[float, Field(gt=0, le=1)] = 0.95
    """eta_c of (D3)."""
    discharge_efficiency_fraction: Annotated[float, Field(gt=0, le=1)] = 0.95
    """eta_d of (D3)."""
    self_discharge_fraction_per_day: Annotated[float, Field(ge=0, lt=1)] = 0.001
    """Share of the content lost in a day of the traces."""
    charge_limit_w: LimitPower = 15.0
    """Highest power into the battery, physical also where capacities are scaled."""
    discharge_limit_w: LimitPower = 15.0
    """Highest power out of it."""


class BoardSpec(Strict):
    """The board's profile and figures that replace those of the profile."""

    profile: str = "raspberry-pi-4b"
    """A name of `detabed list boards`, or the path of a TOML file of the same form (relative to the scenario's folder);
    every figure in it needs a source."""
    static_w: Power | None = None
    """Power while awake and idle; none, here and below: the profile's figure."""
    busy_w: Power | None = None
    """Power while computing."""
    sleep_w: Power | None = None
    """Power while asleep."""
    wake_j: float | None = Field(default=None, ge=0, le=1e9)
    """Energy of waking up, beyond static power."""
    wake_s: float | None = Field(default=None, ge=0, le=YEAR_S)
    """Time of waking up."""
    effective_flop_per_s: float | None = Field(default=None, gt=0)
    """Effective operations per second in training."""
    tx_j_per_byte: float | None = Field(default=None, ge=0)
    """Radio energy of sending, at the sender."""
    rx_j_per_byte: float | None = Field(default=None, ge=0)
    """Radio energy of receiving, at the receiver."""
    storage_bytes: int | None = Field(default=None, ge=0)
    """Storage for offloaded batches of other nodes."""

    @field_validator("profile")
    @classmethod
    def _file_beside_the_scenario(cls, value: str, info: ValidationInfo) -> str:
        return str(_beside_the_scenario(Path(value), info)) if value.endswith(".toml") else value


class NodeSpec(Strict):
    """One edge node, or ``count`` equal nodes."""

    zone: str
    """Grid zone, a name of `detabed list zones` or of the trace file."""
    count: int = Field(default=1, ge=1, le=MAX_NODES)
    """Number of nodes with these keys."""
    latitude_deg: float | None = Field(default=None, ge=-90, le=90)
    """Latitude of its panel; none: the zone's site."""
    longitude_deg: float | None = Field(default=None, ge=-180, le=180)
    """Longitude of its panel, degrees east."""
    harvest: HarvestSpec | None = None
    """Its own panel."""
    battery: BatterySpec | None = None
    """Its own battery."""
    board: BoardSpec | None = None
    """Its own board."""

    @model_validator(mode="after")
    def _one_place(self) -> NodeSpec:
        if self.latitude_deg is not None and self.longitude_deg is None:
            raise ValueError(
                "latitude_deg is given without longitude_deg; give both, or neither (the zone's site)"
            )
        return self


class CoordinatorSpec(Strict):
    zone: str | None = None
    """Grid zone of the coordinator; none: the first node's zone."""
    board: BoardSpec = BoardSpec()
    """Board of the coordinator; its energy has a separate line."""
    horizon_slots: int | None = Field(default=None, ge=1, le=MAX_SLOTS)
    """Slots that a policy optimises, including the present one; the forecasts beyond them value the energy left in the
    batteries. None: a day, but at most 10,000 / (N (N - 1)) slots for N nodes, and 6 where nodes may sleep; 1:
    myopic."""
    value_slots: int | None = Field(default=None, ge=1, le=MAX_SLOTS)
    """Smallest number of slots with forecasts, to value the energy stored after the horizon; none: a day."""
    solver_time_limit_s: float | None = Field(default=None, gt=0, le=86_400)
    """Wall seconds that a policy's solver may take for a decision, for every policy that uses a solver (none: no limit,
    but 20 s where nodes may sleep). At the limit the best plan is used, with its gap, or LOCAL's rule; the report
    counts both. A run that reached the limit may not repeat byte for byte."""
    heartbeat_s: float = Field(default=2.0, gt=0, le=3600)
    """Wall seconds between a node's heartbeats."""
    lease_s: float = Field(default=6.0, gt=0, le=86_400)
    """Wall seconds without a heartbeat after which a node is dropped from the slot."""
    host: str = Field(default="127.0.0.1", pattern=r"^[A-Za-z0-9.:\[\]-]{1,253}$")
    """Interface to listen on; default: loopback only."""

    @model_validator(mode="after")
    def _leases_outlast_heartbeats(self) -> CoordinatorSpec:
        if self.lease_s <= self.heartbeat_s:
            raise ValueError(
                f"lease_s {self.lease_s:g} is not longer than heartbeat_s {self.heartbeat_s:g}, so that every node "
                "would be lost; make it at least twice as long"
            )
        return self


class FleetSpec(Strict):
    kind: Literal["ray", "inprocess"] = "ray"
    """`ray`: processes under Ray; `inprocess`: one process, with a simulated clock."""
    processes: Literal["auto", "per-node"] | Annotated[int, Field(ge=1)] = "auto"
    """Number of processes. `auto`: one per core, with several nodes in each; `per-node`: one per node; or a number."""
    isolation: Literal["auto", "netns", "none"] = "auto"
    """``auto``: every listener on loopback, checked after the start; ``netns``: also in a network namespace with
    loopback only; ``none``: no check, for clusters."""
    meter: str = "modelled"
    """A name of `detabed list meters`, or `package.module:Name`."""


class ToleranceSpec(Strict):
    """Limits of undone work; a run beyond them fails, with exit code 1."""

    unserved_fraction: Fraction = 0.01
    """Largest allowed share of due batches that stayed unserved (without the work of lost nodes while lost_nodes is
    true); 1: any share."""
    lost_nodes: bool = True
    """Whether a run counts as done when the process of a node was lost; its undone work is reported."""


class ServiceWorth(Strict):
    """Values of a service's tokens and bits in (T3); with the defaults, the service counts as in (T1)."""

    token_weight: float = Field(default=1.0, ge=0)
    """w_i, of input and generated tokens."""
    bit_weight: float = Field(default=1.0, ge=0)
    """w_j."""
    alpha_bits_per_token: float | None = Field(default=None, ge=0)
    """Value of the first token, in bit; none: the scenario's alpha."""
    saturation_tokens: float | None = Field(default=None, gt=0)
    """Tokens of a window at which U_i has 63 % of its largest value; none: linear."""
    answer_bits: float = Field(default=0.0, ge=0)
    """Value of an answer in addition to its bits, in bit: for services whose answers are not tokens (a class)."""


def _worths_by_name(value: Any) -> Any:
    if isinstance(value, list):
        raise ValueError(
            "should be tables by name of a service, [tree.services.NAME], with the values of its tokens and bits; "
            "services are declared in [[inference.services]]"
        )
    return value


class TreeSpec(Strict):
    alpha_bits_per_token: float = Field(default=70_423.0, ge=0)
    """alpha of (T1), for tokens of tasks that generate; default from prices of a large language model's tokens and of
    mobile data, 3.0e-5 / 4.26e-10 (methods.md section 5)."""
    services: Annotated[dict[str, ServiceWorth], BeforeValidator(_worths_by_name)] = {}
    """By name of the service, e.g. ``[tree.services.tiny-gpt]``: weights and utilities of (T3)."""


def _single_or_list(value: Any) -> Any:
    value = [value] if isinstance(value, dict) else value
    if not isinstance(value, list | tuple) or not value:
        raise ValueError('needs at least one [[nodes]] table, e.g. [[nodes]] with zone = "FR"')
    return tuple(value)


_Table = TypeVar("_Table", bound=Strict)


def _inherit(own: _Table, general: _Table, decisive: str | None) -> _Table:
    """``own`` with omitted keys taken from ``general``; unchanged where it has another value of ``decisive``."""
    given = own.model_fields_set
    if decisive in given and getattr(own, decisive) != getattr(general, decisive):
        return own
    return general.model_copy(update={name: getattr(own, name) for name in given})


class Scenario(Strict):
    """A whole experiment."""

    name: str = Field(default="scenario", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    """Name of runs, folders and reports."""
    policy: str = "deta"
    """A name of `detabed list policies`, or `package.module:Name`."""
    policy_options: dict[str, str | int | float | bool] = {}
    """Arguments of the policy."""
    seed: int = Field(default=0, ge=0, le=MAX_SEED)
    """Seed for data partition, initial weights, clouds, arrivals and policies."""
    time: TimeSpec = TimeSpec()
    stages: StagesSpec = StagesSpec()
    task: TaskSpec = TaskSpec()
    inference: InferenceSpec = InferenceSpec()
    limits: LimitsSpec = LimitsSpec()
    network: NetworkSpec = NetworkSpec()
    intensity: IntensitySpec = IntensitySpec()
    accounting: AccountingSpec = AccountingSpec()
    forecast: ForecastSpec = ForecastSpec()
    harvest: HarvestSpec = HarvestSpec()
    battery: BatterySpec = BatterySpec()
    board: BoardSpec = BoardSpec()
    coordinator: CoordinatorSpec = CoordinatorSpec()
    fleet: FleetSpec = FleetSpec()
    tolerance: ToleranceSpec = ToleranceSpec()
    tree: TreeSpec = TreeSpec()
    nodes: Annotated[tuple[NodeSpec, ...], BeforeValidator(_single_or_list)]
    _where: Where = PrivateAttr(NOWHERE)

    @model_validator(mode="after")
    def _services_are_told_apart(self) -> Scenario:
        if any(service.label == self.task.name for service in self.inference.services):
            raise ValueError(
                f"a service of [[inference.services]] is called {self.task.name}, like the learned task: give it "
                "another name"
            )
        return self

    @field_validator("nodes")
    @classmethod
    def _not_too_many(cls, nodes: tuple[NodeSpec, ...]) -> tuple[NodeSpec, ...]:
        if (total := sum(node.count for node in nodes)) > MAX_NODES:
            raise ValueError(f"{total} nodes in one scenario; allowed are up to {MAX_NODES}")
        return nodes

    @model_validator(mode="after")
    def _nodes_inherit(self) -> Scenario:
        """Nodes whose own tables inherit omitted keys from the scenario's table of that name; a node with another board
        or another kind of harvest inherits nothing."""
        merged = tuple(
            node.model_copy(
                update={
                    name: _inherit(own, getattr(self, name), decisive)
                    for name, decisive in (("harvest", "kind"), ("battery", None), ("board", "profile"))
                    if (own := getattr(node, name)) is not None
                }
            )
            for node in self.nodes
        )
        object.__setattr__(self, "nodes", merged)  # the model is frozen
        return self

    def at(self, *location: str | int) -> AbstractContextManager[None]:
        """Context in which errors become UsageError with the file, the line and the key at ``location``."""
        return self._where.at(location)

    @property
    def node_count(self) -> int:
        return sum(node.count for node in self.nodes)


def load_scenario(path: Path) -> Scenario:
    """Read and validate a scenario file. Raises UsageError with file, line, what was got and what is allowed."""
    try:
        if not path.exists():
            raise UsageError(f"{path}: no such file; `detabed init {path}` writes a commented starter")
        if not path.is_file():
            raise UsageError(f"{path}: a folder or a device, not a scenario file")
        if (size := path.stat().st_size) > MAX_FILE_BYTES:
            raise UsageError(f"{path}: {size} bytes; a scenario file has at most {MAX_FILE_BYTES}")
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read as UTF-8 text: {error}") from None
    return parse_scenario(text, str(path), folder=path.absolute().parent)


def parse_scenario(text: str, name: str = "scenario", folder: Path | None = None) -> Scenario:
    """Validate scenario text. ``name``: its name in messages; ``folder``: base of relative paths (None: the working
    directory)."""
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # TOMLDecodeError is one; so is a number of 5,000 digits
        raise UsageError(f"{name}: not valid TOML: {error}") from None
    where = Where.of(name, text)
    try:
        scenario = Scenario.model_validate(raw, context={"folder": folder})
    except ValidationError as error:
        raise UsageError(explain(error, where, Scenario)) from None
    scenario._where = where
    return scenario
