"""Limits, network, coordinator, fleet, tolerance and the values of TREE."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    model_validator,
)

from coordinator.config import CoordinatorConfig, LimitsConfig
from edge_node.config import NodeConfig
from experiments.scenario.keys import MAX_SLOTS, File, Fraction, JoulesPerByte, Power, Strict, default_of
from experiments.scenario.patterns import LISTENING_HOST, RAY_ADDRESS
from experiments.scenario.places import BoardSpec


class LimitsSpec(Strict):
    """Limits that hold for every policy of a comparison."""

    offload_cap_fraction: Fraction = default_of(LimitsConfig, "offload_cap_fraction")
    """b_y: largest share of an owner's batches that may run at other nodes [source: the DETA paper]."""
    transfer_cap_fraction: Fraction = default_of(LimitsConfig, "transfer_cap_fraction")
    """b_h: largest share of its harvest that a node may give to others [source: the DETA paper]."""
    transfer_cap_over: Literal["slot", "horizon"] = default_of(LimitsConfig, "transfer_cap_over")
    """What b_h is a share of; the paper does not say (choice: slot). ``slot``: each slot's harvest. ``horizon``: all
    harvest from the beginning of the run to that slot, minus the energy given before (auction, admm and belief keep the
    slot's cap, which is stricter)."""
    deadline_slots: int = Field(default=default_of(LimitsConfig, "deadline_slots"), ge=0, le=MAX_SLOTS)
    """q: slots by which work may be deferred; 0: none, so that time shifting is a separate factor."""
    may_sleep: bool = default_of(LimitsConfig, "may_sleep")
    """Whether nodes may sleep; with offload_cap_fraction < 1 and deadline_slots = 0 a node that owns work never can."""


class NetworkSpec(Strict):
    transport: str = "wifi"
    """Named figure for the energy in the network per byte (edge_node/energy/transport.toml)."""
    net_j_per_byte: JoulesPerByte | None = None
    """Overrides ``transport``."""
    net_low_j_per_byte: float | None = Field(default=None, ge=1e-15, le=1e3)
    """Low end of the factor's range in the Monte-Carlo draws (none: the low end of the transport's sources; with
    ``net_j_per_byte``: a range about it as wide as that of Wi-Fi equipment)."""
    net_high_j_per_byte: float | None = Field(default=None, ge=1e-15, le=1e3)
    """High end of that range."""
    link_bit_per_s: float = Field(default=50e6, ge=1)
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


class CoordinatorSpec(Strict):
    zone: str | None = None
    """Grid zone of the coordinator; none: the first node's zone."""
    board: BoardSpec = BoardSpec()
    """Board of the coordinator; its energy has a separate line."""
    horizon_slots: int | None = Field(default=None, ge=1, le=MAX_SLOTS)
    """Slots that a policy optimises, including the present one; the forecasts beyond them value the energy left in the
    batteries. None: a day, but at most 10,000 / (N (N - 1)) slots for N nodes (with 12 to 60 nodes 2,400 / (N
    (deadline_slots + 1)) where that is more and the policy solves the model; from 61 nodes on no fewer than work may
    wait), and 6 where nodes may sleep; 1: myopic."""
    value_slots: int | None = Field(default=None, ge=1, le=MAX_SLOTS)
    """Smallest number of slots with forecasts, to value the energy stored after the horizon; none: a day."""
    solver_time_limit_s: float | None = Field(default=None, gt=0, le=86_400)
    """Wall seconds that a policy's solver may take for a decision, for every policy that uses a solver (none: no limit,
    but 20 s where nodes may sleep). At the limit the best plan is used, with its gap, or LOCAL's rule; the report
    counts both. A run that reached the limit may not repeat byte for byte."""
    heartbeat_s: float = Field(default=default_of(CoordinatorConfig, "heartbeat_s"), gt=0, le=3600)
    """Wall seconds between a node's heartbeats."""
    lease_s: float = Field(default=default_of(CoordinatorConfig, "lease_s"), gt=0, le=86_400)
    """Wall seconds without a heartbeat after which a node is dropped from the slot. Longer than 6 s: nodes also have
    longer than 4 s to take batches of others, two thirds of it."""
    host: str = Field(default=default_of(CoordinatorConfig, "host"), pattern=LISTENING_HOST)
    """Interface to listen on; default: loopback only. Beyond loopback every port demands certificates, which the run
    makes for its own processes."""
    port: int = Field(default=default_of(CoordinatorConfig, "port"), ge=0, le=65_535)
    """Where nodes dial, on `host`; 0: any free port."""
    insecure: bool = False
    """Listen beyond ``host``'s loopback without TLS: nodes, batches, answers and the run's secret travel in the clear,
    and the report says so."""

    @model_validator(mode="after")
    def _leases_outlast_heartbeats(self) -> CoordinatorSpec:
        if self.lease_s <= self.heartbeat_s:
            raise ValueError(
                f"lease_s {self.lease_s:g} is not longer than heartbeat_s {self.heartbeat_s:g}, so that every node "
                "would be lost; make it at least twice as long"
            )
        return self


class FleetSpec(Strict):
    kind: Literal["ray", "inprocess", "virtual", "daemons"] = "ray"
    """`ray`: processes under Ray; `inprocess`: one process, with a simulated clock; `virtual`: nodes are rows of
    arrays, for large fleets and long runs; they learn in slots of development, and serve nothing; `daemons`: a daemon
    on a board for each node."""
    processes: Literal["auto", "per-node"] | Annotated[int, Field(ge=1)] = "auto"
    """Number of processes. `auto`: one per core, with several nodes in each (`virtual`: so many train, at most one for
    200 nodes); `per-node`: one per node; or a number. `virtual` with one: the run's own process trains."""
    address: str | None = Field(default=None, pattern=RAY_ADDRESS)
    """A Ray cluster that runs already, `host:port` of its head, or `auto` for that of RAY_ADDRESS or of this machine;
    none: a Ray of the run's own. `virtual`: its processes train the nodes."""
    boards: bool = False
    """With `address`: every node on the machine whose raylet was started with `--resources '{"board:n0": 1}'` (n0, n1,
    ...), a process for each; false: anywhere in the cluster."""
    cluster: File | None = None
    """Of daemons: the inventory (`boards.toml`) whose boards are called as the nodes are (n0, n1, ...)."""
    port: int = Field(default=7740, ge=0, le=65_535)
    """Of daemons: port of `coordinator.host` that boards dial."""
    appear_s: float = Field(default=30.0, gt=0, le=3600)
    """Of daemons: seconds for which a run waits until all its boards have dialled; after them it ends with the names of
    those that have not. Boards that boot take longer."""
    isolation: Literal["auto", "netns", "none"] = "auto"
    """``auto``: every listener on loopback, checked after the start; ``netns``: also in a network namespace with
    loopback only; ``none``: no check, for clusters."""
    meter: str = default_of(NodeConfig, "meter")
    """A name of `detabed list meters`, or `package.module:Name`."""

    @model_validator(mode="after")
    def _clusters_are_of_ray(self) -> FleetSpec:
        if self.address is not None and self.kind in ("inprocess", "daemons"):
            raise ValueError(
                f'address is that of a Ray cluster, and kind is "{self.kind}"; give kind = "ray", or "virtual"'
            )
        if self.kind == "daemons" and self.cluster is None:
            raise ValueError(
                'kind is "daemons", and cluster, the file with their inventory, is missing; '
                "detabed cluster init writes one"
            )
        if self.kind != "daemons" and self.cluster is not None:
            raise ValueError(
                f'cluster is the inventory of daemons, and kind is "{self.kind}"; give kind = "daemons", or leave '
                "cluster out"
            )
        if self.boards and self.kind == "virtual":
            raise ValueError('boards are machines with a node each, and kind is "virtual"; give kind = "ray"')
        if self.boards and self.address is None:
            raise ValueError('boards are machines of a Ray cluster; give its address, "host:port" or "auto"')
        if self.address is not None and self.isolation == "netns":
            raise ValueError(
                "a namespace with loopback only reaches no cluster; leave isolation out, or address"
            )
        return self


class ToleranceSpec(Strict):
    """Limits of undone work, beyond which a run fails with exit code 1; and of readings that are believed."""

    unserved_fraction: Fraction = 0.01
    """Largest allowed share of due batches that stayed unserved (without the work of lost nodes while lost_nodes is
    true, but with turns of conversations that no other node answered later); 1: any share."""
    lost_nodes: bool = True
    """Whether a run counts as done when the process of a node was lost; its undone work is reported."""
    plausible_power_times: float = Field(default=20.0, ge=1)
    """A node's joules of a slot are believed up to so many times its board's power while computing; above, the reading
    is refused and the slot is a gap."""
    plausible_harvest_times: float = Field(default=1.5, ge=1)
    """Likewise its harvest, in times of the highest in its series."""


class ServiceWorth(Strict):
    """Values of a service's tokens and bits in (T3); with the defaults, the service counts as in (T1)."""

    token_weight: float = Field(default=1.0, ge=0, le=1e9)
    """w_i, of input and generated tokens."""
    bit_weight: float = Field(default=1.0, ge=0, le=1e9)
    """w_j."""
    alpha_bits_per_token: float | None = Field(default=None, ge=0, le=1e15)
    """Value of the first token, in bit; none: the scenario's alpha."""
    saturation_tokens: float | None = Field(default=None, ge=1, le=1e15)
    """Tokens of a window at which U_i has 63 % of its largest value; none: linear."""
    answer_bits: float = Field(default=0.0, ge=0, le=1e15)
    """Value of an answer in addition to its bits, in bit: for services whose answers are not tokens (a class)."""


def _worths_by_name(value: Any) -> Any:
    if isinstance(value, list):
        raise ValueError(
            "should be tables by name of a service, [tree.services.NAME], with the values of its tokens and bits; "
            "services are declared in [[inference.services]]"
        )
    return value


class TreeSpec(Strict):
    alpha_bits_per_token: float = Field(default=70_423.0, ge=0, le=1e15)
    """alpha of (T1), for tokens of tasks that generate; default from prices of a large language model's tokens and of
    mobile data, 3.0e-5 / 4.26e-10 (methods.md section 5)."""
    services: Annotated[dict[str, ServiceWorth], BeforeValidator(_worths_by_name)] = Field(default={})
    """By name of the service, e.g. ``[tree.services.tiny-gpt]``: weights and utilities of (T3)."""
