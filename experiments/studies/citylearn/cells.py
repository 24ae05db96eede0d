"""Cells of the study: one program beside its independent twin, and one policy rolled over a week."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from carbon_data.files.datasets import dataset
from coordinator.market.forecast import Forecast, Perfect, Persistence
from coordinator.market.layout import Restrictions
from coordinator.policies.local import Local
from coordinator.policies.registry import make_policy, traits_of
from coordinator.simulator.simulate import Information, World, simulate
from experiments.errors import RunError
from experiments.studies.citylearn import independent
from experiments.studies.citylearn.foresight import least_g
from experiments.studies.citylearn.houses import DATASETS, Houses, read_houses
from experiments.studies.citylearn.worlds import TRANSFER_LOSS_FRACTION, world_of
from experiments.studies.fei.engine import content_key
from experiments.studies.import_closure import closure_digest

HORIZON_H = 24
"""Slots that a rolling decision looks ahead."""
ALONE, SHARING = Restrictions(False, False, True), Restrictions(True, False, True)
CASES = {
    "no battery": "panels alone",
    "self-consumption": "each house's battery takes what is left over and gives it back at once",
    "alone": "each house alone, with foresight",
    "free exchange": "all houses, with foresight, energy moves without loss or limit",
    "exchange, own harvest": "likewise, but no house sends more than its panels have given (D6)",
    "exchange, with losses": "likewise, and what is sent loses 5 %",
}
"""Each is computed by the testbed and by an independent program."""
CASE_CPU_S = {"alone": 0.02, "free exchange": 0.3, "exchange, own harvest": 1.0, "exchange, with losses": 1.0}
"""CPU seconds of a week, both programs; of the others 0.2. With those below, measured on 30 November 2026."""
KNOWLEDGE: dict[str, Forecast] = {"known": Perfect(), "persistence": Persistence()}
"""What a rolling decision knows of intensity and harvest in its 24 hours; loads are known in both."""


@lru_cache(maxsize=1)
def _depends() -> list[str]:
    """Code and data that every cell depends on."""
    return [closure_digest(__name__), *(dataset(name).sha256 for name in DATASETS)]


@lru_cache(maxsize=1)
def _houses() -> Houses:
    return read_houses()


@dataclass(frozen=True, slots=True)
class CaseCell:
    """One of CASES over some hours: grams by the testbed, and by a program that knows nothing of it.

    ``house``: only this one (``alone`` is computed house by house); None: all."""

    case: str
    begin: int
    end: int
    house: int | None = None

    @property
    def weight(self) -> float:
        weeks = (self.end - self.begin) / 168
        return CASE_CPU_S.get(self.case, 0.2) * weeks

    def key(self) -> str:
        return content_key("case", asdict(self), _depends())

    def compute(self, scratch: Path) -> dict[str, Any]:
        """``ours_g`` and ``independent_g``."""
        houses = _houses() if self.house is None else _houses().only(self.house)
        return {
            "ours_g": _ours_g(self.case, houses, self.begin, self.end),
            "independent_g": _independent_g(self.case, houses.hours(self.begin, self.end)),
        }


@dataclass(frozen=True, slots=True)
class RollingCell:
    """One policy over a week of houses with real losses, and the least that its freedoms allow with foresight."""

    policy: str
    knowledge: str
    servers: bool
    begin: int
    end: int

    @property
    def weight(self) -> float:
        return {"local": 0.2, "deta": 13.5}.get(self.policy, 8.5)

    def key(self) -> str:
        return content_key("rolling", asdict(self), _depends())

    def compute(self, scratch: Path) -> dict[str, Any]:
        """``emissions_g`` of the run; joules sent, batches moved."""
        world = rolling_world(_houses(), self.begin, self.end, self.servers)
        known = KNOWLEDGE[self.knowledge]
        run = simulate(world, make_policy(self.policy), Information(HORIZON_H, known, known))
        if undone := int(run.unserved_batches.sum()):
            raise RunError(f"{self.policy} left {undone} batches undone: its grams do not compare")
        return {
            "emissions_g": run.emissions_g,
            "sent_j": float(run.export_j.sum()),
            "moved_batches": int(run.offloaded_batches.sum()),
        }


@dataclass(frozen=True, slots=True)
class BoundCell:
    """Least grams of a week's houses with real losses, with a policy's freedoms and foresight."""

    policy: str
    servers: bool
    begin: int
    end: int

    @property
    def weight(self) -> float:
        return 1.5 if self.policy == "deta" else 0.6

    def key(self) -> str:
        return content_key("bound", asdict(self), _depends())

    def compute(self, scratch: Path) -> dict[str, Any]:
        """``bound_g``."""
        world = rolling_world(_houses(), self.begin, self.end, self.servers)
        return {"bound_g": least_g(world, traits_of(self.policy).restrictions)}


def rolling_world(houses: Houses, begin: int, end: int, servers: bool) -> World:
    """The world in which policies roll."""
    return world_of(houses, begin, end, loss_fraction=TRANSFER_LOSS_FRACTION, servers=servers)


def _ours_g(case: str, houses: Houses, begin: int, end: int) -> float:
    """By the testbed's simulator and programs."""
    if case in ("no battery", "self-consumption"):
        world = world_of(houses, begin, end, batteries=case != "no battery")
        return simulate(world, Local(), Information(1)).emissions_g
    if case == "alone":
        return least_g(world_of(houses, begin, end), ALONE)
    if case == "free exchange":
        return least_g(world_of(houses.as_one(), begin, end), ALONE)
    return least_g(world_of(houses, begin, end, loss_fraction=_loss(case)), SHARING)


def _loss(case: str) -> float:
    return TRANSFER_LOSS_FRACTION if case == "exchange, with losses" else 0.0


def _independent_g(case: str, houses: Houses) -> float:
    """By programs of their own."""
    own = (houses.load_kwh, houses.pv_kwh, houses.intensity_g_per_kwh)
    if case == "no battery":
        return independent.without_battery_g(*own)
    stores = (houses.battery_kwh, houses.battery_kw, houses.one_way_fraction)
    if case == "self-consumption":
        return independent.self_consumption_g(*own, *stores)
    if case == "alone":
        return independent.alone_g(
            houses.load_kwh[0],
            houses.pv_kwh[0],
            houses.intensity_g_per_kwh,
            float(houses.battery_kwh[0]),
            float(houses.battery_kw[0]),
            houses.one_way_fraction,
        )
    if case == "free exchange":
        return independent.pooled_g(*own, *stores)
    return independent.exchange_g(*own, *stores, loss_fraction=_loss(case), own_harvest_only=True)
