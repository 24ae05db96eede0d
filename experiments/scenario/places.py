"""What stands where: harvest, battery, board, node."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BeforeValidator,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from edge_node.config import BatteryConfig, Device, SleepConfig, refuse_half_sleep
from experiments.scenario.keys import (
    MAX_NODES,
    YEAR_S,
    File,
    Fraction,
    JoulesPerByte,
    LimitPower,
    Option,
    Power,
    Strict,
    as_tuple,
    beside_the_scenario,
    default_of,
)


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
    options: dict[str, Option] = Field(default={})
    """Arguments of the source."""


class DemandSpec(Strict):
    """Work of nodes that learn nothing (``task.name = "none"``), in whole batches: what is left of a batch counts in a
    later slot."""

    kind: Literal["busy", "constant", "trace"] = "busy"
    """``busy``: the same share of every slot; ``constant``: the same power; ``trace``: power by a trace file."""
    busy_fraction: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of a slot that a node's own board needs for its own work (busy)."""
    peak_w: Power | None = None
    """Mean power of a node's work above its board's static power (constant), or that power where the trace is 1
    (trace)."""
    path: File | None = None
    """Trace file of demand per unit of ``peak_w``, 0 to 1 (trace)."""
    region: str | None = None
    """Column or area of the trace (trace)."""
    options: dict[str, Option] = Field(default={})
    """How to read the trace, as for harvest, e.g. ``column`` (trace)."""
    flop_per_batch: float | None = Field(default=None, gt=0, le=1e18)
    """Operations of a batch, the unit of work that policies allocate; none: what the scenario's board does in a
    sixtieth of a slot. The same for all nodes."""
    bytes_per_batch: int = Field(default=100_000, ge=1, le=1_000_000_000)
    """Payload of a batch that moves to another node. The same for all nodes."""

    @model_validator(mode="after")
    def _power_and_path(self) -> DemandSpec:
        if (self.peak_w is None) != (self.kind == "busy"):
            raise ValueError(
                f'kind = "{self.kind}" '
                + (
                    "needs peak_w, the watts of its work above the board's rest; give it"
                    if self.peak_w is None
                    else f"has no use for peak_w = {self.peak_w:g}; remove it"
                )
                + ": it is needed for constant and trace, and for them alone"
            )
        if (self.path is None) != (self.kind != "trace"):
            raise ValueError('path is for kind = "trace", which needs it; give both or neither')
        return self


class BatterySpec(Strict):
    capacity_wh: float = Field(default=10.0, ge=0, le=1e6)
    """Usable energy; 0: no battery."""
    initial_fraction: Fraction = default_of(BatteryConfig, "initial_fraction")
    """State of charge at the beginning; none of it is counted as emissions."""
    charge_efficiency_fraction: Annotated[float, Field(gt=0, le=1)] = default_of(
        BatteryConfig, "charge_efficiency_fraction"
    )
    """eta_c of (D3)."""
    discharge_efficiency_fraction: Annotated[float, Field(gt=0, le=1)] = default_of(
        BatteryConfig, "discharge_efficiency_fraction"
    )
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
    tx_j_per_byte: JoulesPerByte | None = None
    """Radio energy of sending, at the sender."""
    rx_j_per_byte: JoulesPerByte | None = None
    """Radio energy of receiving, at the receiver."""
    storage_bytes: int | None = Field(default=None, ge=0, le=10**18)
    """Storage for offloaded batches of other nodes."""

    @field_validator("profile")
    @classmethod
    def _filebeside_the_scenario(cls, value: str, info: ValidationInfo) -> str:
        return str(beside_the_scenario(Path(value), info)) if value.endswith(".toml") else value


Arguments = Annotated[tuple[str, ...], BeforeValidator(as_tuple)]


class SleepSpec(Strict):
    """How a node sleeps where a policy lets it (`limits.may_sleep`)."""

    kind: Literal["none", "modelled", "command", "supply"]
    """``none``: it cannot, policies are told so, and its idle power is booked; ``modelled``: nothing is switched, and
    the board's profile says what sleep would draw (not where a meter reads the board); ``command``: ``down`` and ``up``
    are run in the node's process; ``supply``: the plug that its board hangs on, and not the node's process, is
    switched."""
    down: Arguments = ()
    """Program and arguments that put the board to sleep, e.g. `["/usr/local/bin/doze", "{node}"]`: without a shell;
    `{node}` is the node's name (command)."""
    up: Arguments = ()
    """That wake it; run at the start as well, where it is awake (command)."""
    ready: Arguments = ()
    """That end with code 0 once the board is awake, asked ten times a second; waking up lasts until then (supply;
    command: without it, until ``up`` ends)."""
    plug: str = ""
    """`shelly:http://HOST` (generation 2 or later) or `tasmota:http://HOST` (supply)."""
    relay: int = default_of(SleepConfig, "relay")
    """Which relay of the plug, from 1 (supply)."""
    time_limit_s: float = Field(default=default_of(SleepConfig, "time_limit_s"), gt=0, le=3600)
    """Longest that either way may take; then it has failed, the programs are ended, and the node counts as awake."""

    @model_validator(mode="after")
    def _whole(self) -> SleepSpec:
        refuse_half_sleep(self.kind, self.down, self.up, self.ready, self.plug)
        return self


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
    demand: DemandSpec | None = None
    """Its own work, where nothing is learned."""
    meter: str | None = None
    """Its own meter; none: `fleet.meter`."""
    device: Device | None = None
    """Its own device; none: `task.device`."""
    harvest_meter: str | None = None
    """Sensor on its panel's line, `NAME:ARGUMENT` of `detabed list meters`: harvest is what it measures, and the series
    of [harvest] what is expected (with `time.clock = "wall"`)."""
    battery_meter: str | None = None
    """Gauge of its battery, `power-supply:FOLDER` or `file:PATH`: what it shows goes before what follows from the flows
    (with `time.clock = "wall"`; not under a policy that negotiates)."""
    sleep: SleepSpec | None = None
    """How it sleeps. None: it cannot where its meter reads a sensor, or where nodes are boards (`kind = "daemons"`, or
    `fleet.boards`); elsewhere by the model."""

    @model_validator(mode="after")
    def _one_place(self) -> NodeSpec:
        if self.latitude_deg is not None and self.longitude_deg is None:
            raise ValueError(
                "latitude_deg is given without longitude_deg; give both, or neither (the zone's site)"
            )
        return self
