"""Fleets of Fig. 5 and of the surface: servers in drawn zones with panels and batteries, doing a trained cell's work.

A day of 24 hourly slots. Every server is busy with its own work for half of each hour: batches of a trained cell,
with their counted operations, at the calibrated speed. What differs between seeds is the day, the clouds and the
zones; policies and settings of one seed see the same of all three. Fig. 5 runs through the horizon simulator; the
surface takes the whole day's optimum with perfect foresight (one program over all slots, fractional batches), which
is what the paper's "complete information" gives, and is about fifteen times as quick. Where nodes may sleep it is a
plan and a bound on every plan (sleeping.py).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carbon_data.sources.pv import pv_harvest
from carbon_data.units import wh_to_joules
from coordinator.market.fleet import Fleet, Limits
from coordinator.market.layout import Restrictions
from coordinator.market.plan import Plan
from coordinator.market.program import build
from coordinator.market.solve import solve
from coordinator.policies import COMPARED
from coordinator.policies.registry import make_policy
from coordinator.simulator.regret import EVERYTHING, Bound
from coordinator.simulator.simulate import World, simulate
from experiments.studies.fei import placement
from experiments.studies.fei.energy import board, network_j_per_byte
from experiments.studies.fei.engine import content_key
from experiments.studies.fei.sleeping import bound_g, plan_and_bound
from experiments.studies.fei.spec import ZONES
from experiments.studies.import_closure import closure_digest

SLOTS = 24
SLOT_S = 3600.0
FIRST_HOUR_UTC = 12
"""Slot 0: the hour before sunrise in the west of the US, so that a day's sun comes before its night ([C])."""
BUSY_FRACTION = 0.5
"""Share of every hour in which a server has own work ([C]): room for as many guests."""
BATTERY_WH = 27.0
"""Six hours of a half-busy board ([C]); empty at the start and worth nothing at the end."""
BATTERY_LIMIT_W = 15.0
REFERENCE_PANEL_W = 20.0
"""[C]: harvest over demand is then about two thirds (a half-busy board takes 4.5 W; a watt of panel gives 0.146 W as
the mean of the ten zones and the year). With caps of 50 % DAT alone saves at most 45.6 %, so that 74.9 % needs harvest
to displace at least 53.8 % of the rest (note 6): the smallest of the surface's panels that gives as much."""
REFERENCE_LOSS_FRACTION = 0.1
CAP_FRACTION = 0.5
"""Both caps of the paper."""
FIG5_SERVERS = (2, 4, 6, 8, 10)
DAYS = 364
"""Days on which a run may begin: it ends on the next."""
GOLDEN_FRACTION = 0.5 * (5.0**0.5 - 1.0)
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Work:
    """One batch of a trained cell on the paper's board."""

    seconds_per_batch: float
    joules_per_batch: float
    """Above static power."""
    bytes_per_batch: float
    batches_per_training: float
    """Of one server, until the target accuracy was reached."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What the surface runs over."""

    panel_w: float = REFERENCE_PANEL_W
    loss_fraction: float = REFERENCE_LOSS_FRACTION
    cap_fraction: float = CAP_FRACTION
    deadline_slots: int = 0
    sleep: bool = False


@dataclass(frozen=True, slots=True)
class Fig5Cell:
    """All policies on one seed's day at one number of servers, through the simulator."""

    servers: int
    seed: int
    work: Work
    setting: Setting
    zones: tuple[str, ...] = ZONES

    @property
    def weight(self) -> float:
        return 1e4 + float(self.servers**2)

    def key(self) -> str:
        return content_key(
            "fig5", asdict(self), closure_digest(__name__), placement.intensities(self.zones).digest
        )

    def compute(self, scratch: Path) -> dict[str, Any]:
        return simulate_policies(self)


@dataclass(frozen=True, slots=True)
class SurfaceCell:
    """One seed's day under several settings of one panel: optimum of DETA and LOCAL-LP, GRID and LOCAL by rule."""

    servers: int
    seed: int
    work: Work
    settings: tuple[Setting, ...]
    zones: tuple[str, ...] = ZONES

    @property
    def weight(self) -> float:
        return sum((8.0 if s.sleep else 1.0) * (1 + s.deadline_slots) for s in self.settings)

    def key(self) -> str:
        return content_key(
            "surface", asdict(self), closure_digest(__name__), placement.intensities(self.zones).digest
        )

    def compute(self, scratch: Path) -> dict[str, Any]:
        return surface_points(self)


def drawn_zones(seed: int, zones: int = len(ZONES)) -> NDArray[np.int64]:
    """The zones in this seed's order: the first n are those of n servers, so that a fleet grows by adding."""
    return np.random.default_rng((7, seed)).permutation(zones)


@lru_cache(maxsize=64)
def _sun_w_per_w(seed: int, zones: tuple[str, ...]) -> Floats:
    """(Z, 24) output per watt of panel on this seed's day."""
    start = _start(seed)
    return np.stack(
        [
            pv_harvest(1.0, zone=zone).series(start, timedelta(hours=1), SLOTS, 1000 * seed + z).power_w
            for z, zone in enumerate(zones)
        ]
    )


def day_of_year(seed: int) -> int:
    """The day of a seed, from 0: steps of the golden ratio through the year from a drawn day.

    However many seeds a study has, its days are spread over the seasons, and the first hundred all differ.
    """
    first = float(np.random.default_rng(11).random())
    return int(DAYS * ((first + seed * GOLDEN_FRACTION) % 1.0))


def _start(seed: int) -> datetime:
    return placement.YEAR_START + timedelta(days=day_of_year(seed), hours=FIRST_HOUR_UTC)


def fleet(servers: int, seed: int, work: Work, setting: Setting, among: tuple[str, ...] = ZONES) -> Fleet:
    """The fleet of one day, its servers in the first of the seed's order of the zones ``among``."""
    b = board()
    zones = drawn_zones(seed, len(among))[:servers]
    start = _start(seed)
    first = int((start - placement.YEAR_START) / timedelta(hours=1))
    intensity = placement.intensities(among).hourly_g_per_kwh[zones, first : first + SLOTS]
    released = int(BUSY_FRACTION * SLOT_S / work.seconds_per_batch)
    if released < 1:
        raise ValueError(
            f"a batch takes {work.seconds_per_batch:.0f} s, longer than half a slot of {SLOT_S:.0f} s"
        )
    backlog = np.zeros((servers, setting.deadline_slots + 1), dtype=np.int64)
    backlog[:, -1] = released
    leg = float(np.sqrt(1.0 - setting.loss_fraction))

    def same(value: float) -> Floats:
        return np.full(servers, value)

    return Fleet(
        node_ids=tuple(f"{among[z]}-{k}" for k, z in enumerate(zones)),
        slot=0,
        slot_s=SLOT_S,
        stage="development",
        limits=Limits(
            offload_cap_fraction=setting.cap_fraction,
            transfer_cap_fraction=setting.cap_fraction,
            deadline_slots=setting.deadline_slots,
            may_sleep=setting.sleep,
            net_j_per_byte=network_j_per_byte(),
        ),
        intensity_g_per_kwh=np.ascontiguousarray(intensity),
        harvest_j=_sun_w_per_w(seed, among)[zones] * setting.panel_w * SLOT_S,
        backlog_batches=backlog,
        release_batches=np.full((servers, SLOTS - 1), released, dtype=np.int64),
        seconds_per_batch=np.full((servers, SLOTS), work.seconds_per_batch),
        joules_per_batch=np.full((servers, SLOTS), work.joules_per_batch),
        bytes_per_batch=np.full(SLOTS, work.bytes_per_batch),
        offloadable=np.ones(SLOTS, dtype=bool),
        static_w=same(b.static_w),
        sleep_w=same(b.sleep_w),
        wake_j=same(b.wake_j),
        wake_s=same(b.wake_s),
        tx_j_per_byte=same(b.tx_j_per_byte),
        rx_j_per_byte=same(b.rx_j_per_byte),
        storage_bytes=same(float(b.storage_bytes)),
        export_efficiency=same(leg),
        import_efficiency=same(leg),
        battery_j=same(0.0),
        battery_capacity_j=same(wh_to_joules(BATTERY_WH)),
        charge_efficiency=same(0.95),
        discharge_efficiency=same(0.95),
        self_discharge_fraction=same(0.0),
        charge_limit_w=same(BATTERY_LIMIT_W),
        discharge_limit_w=same(BATTERY_LIMIT_W),
        stored_value_g_per_j=same(0.0),
        asleep=np.zeros(servers, dtype=bool),
    )


def simulate_policies(cell: Fig5Cell) -> dict[str, Any]:
    """Grams of the day under each policy; work left undone is an error, since grams would then not compare."""
    world = World(fleet(cell.servers, cell.seed, cell.work, cell.setting, cell.zones))
    grams, harvested, demand = {}, 0.0, 0.0
    for name in COMPARED:
        run = simulate(world, make_policy(name), seed=cell.seed)
        if run.unserved_batches.any():
            raise ValueError(f"{name} left {int(run.unserved_batches.sum())} batches undone in {cell}")
        grams[name] = run.emissions_g
        if name == "local":
            harvested, demand = float(run.harvest_j.sum()), float(run.demand_j.sum())
    trainings = SLOTS * int(BUSY_FRACTION * SLOT_S / cell.work.seconds_per_batch)
    return {
        "grams": grams,
        "harvest_to_demand": harvested / demand,
        "trainings": trainings / cell.work.batches_per_training,
    }


def surface_points(cell: SurfaceCell) -> dict[str, Any]:
    """Grams of one seed's day under every setting: GRID and LOCAL, DETA's plan and a bound on every plan of DETA, and
    the same bound without any exchange (LOCAL-LP). A bound is the optimum where nodes stay awake."""
    alone = Restrictions(transfers=False, offloading=False, harvest=True)
    base: dict[float, dict[str, float]] = {}
    points = []
    for setting in cell.settings:
        if setting.panel_w not in base:
            plain = replace(setting, deadline_slots=0, sleep=False)
            still = World(fleet(cell.servers, cell.seed, cell.work, plain, cell.zones))
            grid, local = (simulate(still, make_policy(name)) for name in ("grid", "local"))
            base[setting.panel_w] = {
                "grid_g": grid.emissions_g,
                "local_g": local.emissions_g,
                "harvest_to_demand": float(local.harvest_j.sum() / local.demand_j.sum()),
            }
        world = fleet(cell.servers, cell.seed, cell.work, setting, cell.zones)
        best = plan_and_bound(world, EVERYTHING) if setting.sleep else _optimum(world, EVERYTHING)
        own_g = bound_g(world, alone) if setting.sleep else _optimum(world, alone).objective_g
        points.append(
            {
                **asdict(setting),
                "seed": cell.seed,
                "servers": cell.servers,
                "day": day_of_year(cell.seed) + 1,
                **base[setting.panel_w],
                "local_lp_bound_g": own_g,
                "deta_g": None if best is None else best.plan_g,
                "deta_bound_g": None if best is None else best.objective_g,
                "gap_fraction": None if best is None else best.gap_fraction,
            }
        )
    return {"points": points}


def _optimum(world: Fleet, restrictions: Restrictions) -> Bound:
    """Optimum of a day on which all nodes stay awake: a linear program, so plan and bound are one."""
    program = build(world, restrictions, tie_break=False)
    solution = solve(program)
    if solution.values is None or not solution.optimal:
        raise ValueError(f"no optimum of a linear program: the solver said {solution.message!r}")
    plan = Plan(program, solution.values)
    if plan.unserved_batches.sum() > 1e-3:
        raise ValueError("the optimum of a day leaves work undone: its grams do not compare")
    return Bound(plan.objective_g, plan.objective_g, 0.0)
