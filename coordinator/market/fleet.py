"""A policy's knowledge of the fleet at one decision, and the limits it must keep: plain arrays, validated.

Shapes: N nodes, H slots of look-ahead (column 0 is the slot being decided), Q+1 deadline classes. Units: J,
W, s, bytes, g CO2e per kWh, fractions in 0..1. Symbols in brackets are those of methods.md section 1."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

CapOver = Literal["slot", "horizon"]
"""Period over which (D6) is kept: every slot by itself, or the run from its begin to every slot."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of an experiment, the same for every policy of a comparison."""

    offload_cap_fraction: float = 0.5
    """b_y of (D5): largest share of its released batches that an owner may have run elsewhere."""
    transfer_cap_fraction: float = 0.5
    """b_h of (D6): largest share of its harvest that a node may give away."""
    transfer_cap_over: CapOver = "slot"
    """``slot``: of each slot's harvest. ``horizon``: of all harvest from the run's begin to the end of each slot, so
    that what was not given away earlier may be given later, and never more than has been harvested by then."""
    deadline_slots: int = 0
    """q: slots after its release in which a batch may still run; 0 means in its own slot."""
    may_sleep: bool = False
    """Whether nodes may sleep (a_i(t) = 0)."""
    net_j_per_byte: float = 0.0
    """eps_net: energy in the network between sender and receiver, per byte."""

    def __post_init__(self) -> None:
        for name in ("offload_cap_fraction", "transfer_cap_fraction"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"{name} is {value}; allowed is 0..1")
        if self.transfer_cap_over not in get_args(CapOver):
            raise ValueError(f"transfer_cap_over is {self.transfer_cap_over!r}; allowed are slot and horizon")
        if self.deadline_slots < 0:
            raise ValueError(f"deadline_slots is {self.deadline_slots}; allowed is 0 or more")
        if not (np.isfinite(self.net_j_per_byte) and self.net_j_per_byte >= 0):
            raise ValueError(f"net_j_per_byte is {self.net_j_per_byte}; allowed is a finite value >= 0")


@dataclass(frozen=True)
class SplitCosts:
    """Of a batch of requests to a language model in the slot being decided, where one node may read its prompts and
    another answer it with their caches. A node that cannot has a cache of 0 bytes. All (N,)."""

    read_s: Floats
    """Of ``Fleet.seconds_per_batch``, for reading."""
    read_j: Floats
    """Likewise of ``Fleet.joules_per_batch``."""
    cache_bytes: Floats
    """Of the caches of a batch of that owner, beside ``Fleet.bytes_per_batch``."""
    kin: tuple[str, ...]
    """Only nodes with the same can take each other's caches."""
    link_bytes_per_s: Floats
    latency_target_s: Floats
    """Infinite: none."""

    def pairs(self) -> Bools:
        """(N, N) whether a cache of the first can be taken by the second."""
        kin = np.array(self.kin)
        can = self.cache_bytes > 0
        apart = ~np.eye(len(kin), dtype=bool)
        return np.asarray((kin[:, None] == kin[None, :]) & can[:, None] & can[None, :] & apart)


@dataclass(frozen=True)
class MovedTurns:
    """Turns of conversations in the slot being decided whose users have moved to another node. Each is a batch of its
    owner, the node that has the conversation. All (K,), those of one pair in the order in which batches are sent."""

    owner: Ints
    """Index of the node."""
    at: Ints
    """Index of the node that the user is at now."""
    cache_bytes: Floats
    """Of the cache of the turns before."""
    read_again_j: Floats
    """What reading them again takes there, above static power."""


@dataclass(frozen=True)
class PointCosts:
    """What each operating point (DVFS) of a node does to the work of a slot: K points, the first one full speed."""

    speed_fraction: Floats
    """(N, K) share of full speed; 0 where a node has fewer points."""
    energy_times: Floats
    """(N, K) joules of computing over those at full speed."""
    static_w: Floats
    """(N, K) P_st at each point."""
    compute_j: Floats
    """(N, H) of ``Fleet.joules_per_batch``, what is for computing and so depends on the point."""

    @property
    def allowed(self) -> Bools:
        """(N, K)."""
        return np.asarray(self.speed_fraction > 0)

    def least_energy(self) -> Floats:
        """(N,) the lowest of a node's points."""
        return np.asarray(np.where(self.allowed, self.energy_times, np.inf).min(axis=1))


@dataclass(frozen=True)
class Fleet:
    """State of N nodes before a slot, and what is expected of the H slots from it on."""

    node_ids: tuple[str, ...]
    slot: int
    slot_s: float
    stage: str
    """Life-cycle stage of the work released in this slot (a protos.messages.terms.Stage value)."""
    limits: Limits

    intensity_g_per_kwh: Floats
    """(N, H) c_i(t); column 0 is the current slot's true value, later columns are forecasts."""
    harvest_j: Floats
    """(N, H) h_i(t)."""
    backlog_batches: Ints
    """(N, Q+1) own batches not yet done, by slots left to their deadline; column 0 must be done now."""
    release_batches: Ints
    """(N, H-1) batches expected to be released in the following slots."""

    seconds_per_batch: Floats
    """(N, H) tau_j(t) of the stage's work on that node."""
    joules_per_batch: Floats
    """(N, H) e_j(t), above static power."""
    bytes_per_batch: Floats
    """(H,) s(t): payload of one offloaded batch."""
    offloadable: Bools
    """(H,) False where the stage's work may not leave its owner (e.g. receiving data from its own
    devices)."""

    static_w: Floats
    """(N,) P_st."""
    sleep_w: Floats
    """(N,) P_sl."""
    wake_j: Floats
    """(N,) E_wk."""
    wake_s: Floats
    """(N,) tau_wk."""
    tx_j_per_byte: Floats
    """(N,) eps_tx."""
    rx_j_per_byte: Floats
    """(N,) eps_rx."""
    storage_bytes: Floats
    """(N,) S_j for guest batches."""
    export_efficiency: Floats
    """(N,) out_i; the loss of a transfer is l_ij = 1 - out_i * in_j."""
    import_efficiency: Floats
    """(N,) in_j."""
    battery_j: Floats
    """(N,) B_i before the slot."""
    battery_capacity_j: Floats
    """(N,) Bmax_i; 0 means no battery."""
    charge_efficiency: Floats
    """(N,) eta_c."""
    discharge_efficiency: Floats
    """(N,) eta_d."""
    self_discharge_fraction: Floats
    """(N,) sigma per slot."""
    charge_limit_w: Floats
    """(N,) P for charging."""
    discharge_limit_w: Floats
    """(N,) P for discharging."""
    stored_value_g_per_j: Floats
    """(N,) value of a joule left in store at the end of what is known, g per J, where every joule is worth the same:
    the end of the run, or eta_d times the mean intensity of the day after. Policies that plan value it by (D9)."""
    asleep: Bools
    """(N,) whether the node slept in the slot before: a_i(t-1) = 0."""
    can_sleep: Bools | None = None
    """(N,) whether the node has a way to sleep, or (N, H) where that differs by slot; None: all have. Where
    limits.may_sleep is off, no node may. See ``sleepers``."""

    decision_slots: int | None = None
    """Slots from the present one on that a policy optimises; what is known beyond them values what is stored then
    (D9). None: all H."""
    later_slots: int = 0
    """Slots of the run after the H that are known: expected to be like the last known day."""
    end_value_g_per_j: Floats | None = None
    """(N,) worth of a joule in store when the run ends; None: nothing. Only looked at where ``later_slots`` > 0."""
    day_slots: int = 24
    """Slots in a day."""
    harvest_spread_fraction: float = 0.0
    """Standard deviation of the energy harvested after this slot, as a share of what is forecast; 0: forecasts are
    certain. Nodes that plan alone value stored energy in expectation over it (D9)."""
    model_j: Floats | None = None
    """(N, H) m_i(t): radio energy of the model's parameters in a slot in which the node runs at least one batch, its
    own or a guest's; independent of how many. None: none."""
    request_j: Floats | None = None
    """(N, H) of e_j(t), what the node's radio receives from users for a batch (requests). It is drawn by the batch's
    owner, also where another node runs it, which then receives the batch instead. None: none."""
    offload_room_batches: Ints | None = None
    """(N, Q+1) how many batches of each deadline class the owner may still have run elsewhere: what (D5)
    leaves of b_y d_i(r) after the slots before (coordinator.market.backlog keeps it). None: b_y of the
    backlog itself."""
    release_last_slot: Ints | None = None
    """(H,) last slot, counted from the present one, in which work released in each slot of the horizon may
    run: where a life-cycle stage or a latency target ends before the deadline. May lie beyond the horizon.
    None: q slots after its release. The present backlog's deadlines are in its classes already."""
    harvested_before_j: Floats | None = None
    """(N,) harvested in this run before the present slot; None: nothing, the run begins here. Only (D6) over the
    horizon looks at it."""
    given_before_j: Floats | None = None
    """(N,) given away in this run before the present slot, as it left the donor; None: nothing."""
    calibrated: Bools | None = None
    """(N,) whether the cost of a node's work was measured for this task; None: of none."""
    split: SplitCosts | None = None
    """None: a batch is run by one node."""
    moved: MovedTurns | None = None
    """None: no user moves, or requests are no turns of conversations."""
    points: PointCosts | None = None
    """None: every node always runs at full speed."""
    loss_fraction: Floats | None = None
    """(N, N) l_ij where losses do not factor; overrides export and import efficiency when given."""
    participations: Ints | None = None
    """(N,) rounds each node has trained in so far (for client-selection baselines)."""
    num_examples: Ints | None = None
    """(N,) examples each node holds."""
    mean_loss: Floats | None = None
    """(N,) last mean training loss; NaN where a node has not trained yet."""
    true_intensity_g_per_kwh: Floats | None = None
    """(N, H) only in oracle runs: the future as it will be."""
    true_harvest_j: Floats | None = None
    """(N, H) only in oracle runs."""

    def __post_init__(self) -> None:
        n, h = self.intensity_g_per_kwh.shape
        for name, least in (("decision_slots", 1), ("later_slots", 0), ("day_slots", 1)):
            if (slots := getattr(self, name)) is not None and slots < least:
                raise ValueError(f"{name} is {slots}; allowed is {least} or more")
        if n != len(self.node_ids):
            raise ValueError(f"intensity has {n} rows for {len(self.node_ids)} nodes")
        shapes: dict[str, tuple[int, ...]] = {
            "harvest_j": (n, h),
            "release_batches": (n, h - 1),
            "seconds_per_batch": (n, h),
            "joules_per_batch": (n, h),
            "model_j": (n, h),
            "request_j": (n, h),
            "bytes_per_batch": (h,),
            "offloadable": (h,),
            "release_last_slot": (h,),
            "backlog_batches": (n, self.limits.deadline_slots + 1),
            "offload_room_batches": (n, self.limits.deadline_slots + 1),
        }
        if self.can_sleep is not None and self.can_sleep.ndim == 2:
            shapes["can_sleep"] = (n, h)
        matrices = {
            *shapes,
            "intensity_g_per_kwh",
            "true_intensity_g_per_kwh",
            "true_harvest_j",
            "loss_fraction",
        }
        for spec in fields(self):
            value: Any = getattr(self, spec.name)
            if isinstance(value, np.ndarray):
                _check(
                    spec.name,
                    value,
                    shapes.get(spec.name, (n,) if spec.name not in matrices else value.shape),
                )

    def changed(self, **arrays: NDArray[Any]) -> Fleet:
        """This fleet with other arrays of the same shapes; only they are checked, which is quicker than ``replace``.

        Raises ValueError as the constructor does, and for a field that is no array here."""
        found = object.__new__(Fleet)
        found.__dict__.update(self.__dict__)
        for name, value in arrays.items():
            before = self.__dict__.get(name)
            if not isinstance(before, np.ndarray):
                raise ValueError(f"{name} is no array of this fleet; take dataclasses.replace for it")
            _check(name, value, before.shape)
            found.__dict__[name] = value
        return found

    @property
    def size(self) -> int:
        """N."""
        return len(self.node_ids)

    @property
    def horizon(self) -> int:
        """H."""
        return self.intensity_g_per_kwh.shape[1]

    def sleepers(self) -> Bools:
        """(N,) whether each node may sleep in the present slot: the limits allow it, and it can."""
        return self.sleepers_by_slot()[:, 0]

    def sleepers_by_slot(self) -> Bools:
        """(N, H) whether each node may sleep, as far as is known."""
        may = np.full((self.size, self.horizon), self.limits.may_sleep)
        if self.can_sleep is None:
            return may
        can = self.can_sleep if self.can_sleep.ndim == 2 else self.can_sleep[:, None]
        return np.asarray(may & can)

    def owner_j(self) -> Floats:
        """(N, H) what an owner draws for a batch that it has run elsewhere: received from its users, sent on."""
        sent_j = self.bytes_per_batch * self.tx_j_per_byte[:, None]
        return np.asarray(sent_j if self.request_j is None else sent_j + self.request_j)

    def guest_j(self) -> Floats:
        """(N, H) what an executor draws for a guest batch beside e_j(t): received from its owner, and not from users.

        Below zero where a batch is smaller on its way between nodes than from the users.
        """
        received_j = self.bytes_per_batch * self.rx_j_per_byte[:, None]
        return np.asarray(received_j if self.request_j is None else received_j - self.request_j)

    def transfer_caps_j(self) -> Floats:
        """(N, H) right-hand side of (D6); column 0 is the most a node may give away in the present slot.

        Over the slot: b_h h_i(t). Over the horizon what is not used is carried on, and these are the increments of
        max(0, b_h * harvest from the run's begin to slot t - given before the present slot): the sum of a node's
        exports up to slot t is at most the sum of its increments up to slot t.
        """
        caps = self.limits.transfer_cap_fraction * self.harvest_j
        if self.limits.transfer_cap_over == "slot":
            return np.asarray(caps)
        none = np.zeros(self.size)
        harvested = none if self.harvested_before_j is None else self.harvested_before_j
        given = none if self.given_before_j is None else self.given_before_j
        caps[:, 0] += self.limits.transfer_cap_fraction * harvested - given
        room = np.maximum(np.cumsum(caps, axis=1), 0.0)
        return np.diff(room, axis=1, prepend=0.0)

    def transfer_efficiency(self, source: Ints, target: Ints) -> Floats:
        """(P,) 1 - l_ij from each node of ``source`` to that of ``target``; 1 from a node to itself."""
        if self.loss_fraction is not None:
            efficiency = 1.0 - self.loss_fraction[source, target]
        else:
            efficiency = self.export_efficiency[source] * self.import_efficiency[target]
        return np.where(source == target, 1.0, efficiency)


def _check(name: str, value: NDArray[Any], expected: tuple[int, ...]) -> None:
    """Shape and numbers of a field, which is read-only from then on. Raises ValueError."""
    if value.shape != expected:
        raise ValueError(f"{name} has shape {value.shape}, expected {expected}")
    if name != "mean_loss" and np.issubdtype(value.dtype, np.number):
        if not np.isfinite(value).all():
            raise ValueError(f"{name} holds a value that is not finite; missing data must raise earlier")
        if (value < 0).any():
            raise ValueError(f"{name} holds a negative value")
    value.setflags(write=False)
