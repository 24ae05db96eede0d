"""Embodied emissions of a run, M of (L3): devices reserved for the run's own time, divided over their stages.

M = TE * (time reserved / expected life) * (resources reserved / total). Time reserved is board time, slots times
slot_s, for every node whether it worked or slept, and for the coordinator's board. Spread: a device's M follows
the time its lines' static energy was used in, idle time included (``unallocated``).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from carbon_data.accounting import embodied_share_g
from carbon_data.units import JOULES_PER_KWH
from edge_node.energy.boards import EMBODIED, EMBODIED_STD
from edge_node.energy.sourced import Unknown
from experiments.report.lifecycle.books import UNALLOCATED
from experiments.report.lifecycle.factors import Factors
from experiments.report.lifecycle.setting import COORDINATOR, Setting
from experiments.report.node_names import node_names
from experiments.wording import few

LEFT_OUT = (
    "Panels are in the life-cycle factor of harvested energy, not here; the network's devices have no sourced "
    "factor per byte and are left out."
)


@dataclass(frozen=True, slots=True)
class Device:
    """One device and its share."""

    owner: str
    device: str
    embodied_g: float
    """TE: emissions of making the device."""
    life_s: float
    share_g: float
    """M: the share of this run."""
    std_g: float
    """One standard deviation of ``share_g``, from the factor's own uncertainty."""


@dataclass(frozen=True)
class Embodied:
    """M of a run, or the reason why it is not given."""

    devices: tuple[Device, ...]
    """Of the nodes and the coordinator all of whose factors are known."""
    by_stage: dict[str, float]
    reason: str = ""
    """Why there is no figure at all; empty when there is one."""
    unknown: dict[str, str] = field(default_factory=dict)
    """Nodes that are left out, because a factor of theirs is not known, and which: missing, never zero."""
    names: dict[str, str] = field(default_factory=dict)
    """Node -> id with zone, for words."""

    @property
    def total_g(self) -> float | None:
        return None if self.reason else sum(device.share_g for device in self.devices)

    @property
    def std_g(self) -> float:
        """Devices of one kind share their factor, so their errors add; kinds are independent."""
        by_kind: dict[str, float] = {}
        for device in self.devices:
            by_kind[device.device] = by_kind.get(device.device, 0.0) + device.std_g
        return float(sum(value**2 for value in by_kind.values()) ** 0.5)

    @property
    def without(self) -> str:
        """Who is left out and why, in words; empty where nobody is. The figures beside it are those of the others."""
        by_reason: dict[str, list[str]] = {}
        for owner, why in self.unknown.items():
            by_reason.setdefault(why, []).append(self.names.get(owner, owner))
        return "; ".join(f"{few(owners)} ({why})" for why, owners in by_reason.items())


def embodied(setting: Setting, factors: Factors) -> Embodied:
    """Embodied emissions of ``setting.run``. A node with a factor that is not known is left out and named: never zero
    instead. Not given where that leaves nobody."""
    run = setting.run
    if setting.scenario is None:
        return Embodied((), {}, setting.reason)
    if not setting.node_specs():
        return Embodied((), {}, "the scenario names other nodes than the tables")
    names = node_names(run.tables["nodes"])
    reserved_s = run.board_s
    made: dict[str, _Kind | str] = {}
    batteries = _Batteries(setting, factors, reserved_s)
    boards: list[Device] = []
    stores: list[Device] = []
    unknown: dict[str, str] = {}
    for owner, profile in sorted(setting.boards().items()):
        if profile not in made:
            made[profile] = _kind_of(setting, factors, profile)
        kind, battery = made[profile], batteries.of(owner)
        if isinstance(kind, str) or isinstance(battery, str):
            unknown[owner] = "; ".join(why for why in (kind, battery) if isinstance(why, str))
            continue
        boards.append(kind.device(owner, reserved_s))
        stores += [] if battery is None else [battery]
    devices = [*boards, *stores]
    if not devices:
        nobody = Embodied((), {}, "", unknown, names).without
        return Embodied((), {}, f"unknown for every node: {nobody}", unknown, names)
    return Embodied(tuple(devices), _by_stage(run.tables["lines"], devices), "", unknown, names)


@dataclass(frozen=True, slots=True)
class _Kind:
    """Boards of one profile."""

    name: str
    made_g: float
    std: float
    life_s: float
    share: float

    def device(self, owner: str, reserved_s: float) -> Device:
        share_g = embodied_share_g(self.made_g, reserved_s, self.life_s, self.share)
        return Device(owner, self.name, self.made_g, self.life_s, share_g, self.std * share_g)


def _kind_of(setting: Setting, factors: Factors, profile: str) -> _Kind | str:
    """What boards of ``profile`` share, or which factor is not known."""
    name, made = setting.made(profile)
    figure = made.get(EMBODIED) or Unknown("g", "the profile has no figure")
    if isinstance(figure, Unknown):
        return f"emissions of making a {name} are unknown: {figure.why}"
    life_s = factors.get("embodied", "device-life", "s")
    share = factors.get("embodied", "resources-share", "fraction")
    if life_s is None or share is None:
        return f"factor embodied.{'device-life' if life_s is None else 'resources-share'} is unknown"
    made_g = factors.use("embodied", name, figure, "g")
    std = made.get(EMBODIED_STD)
    known = (
        0.0
        if std is None or isinstance(std, Unknown)
        else factors.use("embodied", f"{name}-std", std, "fraction")
    )
    return _Kind(name, made_g, known, life_s, share)


class _Batteries:
    """Batteries in their bought size: storage scaled to the slot (scale_storage) is scaled back."""

    def __init__(self, setting: Setting, factors: Factors, reserved_s: float) -> None:
        run, scenario = setting.run, setting.scenario
        assert scenario is not None
        self._factors, self._reserved_s = factors, reserved_s
        self._back = float(run.metadata["trace_step_s"]) / run.slot_s if scenario.time.scale_storage else 1.0
        nodes = run.tables["nodes"]
        has = "battery_capacity_j" in nodes
        self._capacity_j = (
            dict(zip(nodes["node_id"], nodes["battery_capacity_j"], strict=True)) if has else {}
        )

    def of(self, owner: str) -> Device | str | None:
        """The battery of ``owner``, which factor of it is not known, or None where there is none."""
        capacity_j = float(self._capacity_j.get(owner, 0.0))
        if not capacity_j > 0:
            return None
        per_kwh = self._factors.get("embodied", "battery-per-kwh", "g/kWh")
        life_s = self._factors.get("embodied", "battery-life", "s")
        if per_kwh is None or life_s is None:
            return (
                f"factor embodied.{'battery-life' if per_kwh is not None else 'battery-per-kwh'} is unknown"
            )
        std = self._factors.get("embodied", "battery-per-kwh-std", "fraction") or 0.0
        made_g = per_kwh * capacity_j * self._back / JOULES_PER_KWH
        share_g = embodied_share_g(made_g, self._reserved_s, life_s)
        return Device(owner, "battery", made_g, life_s, share_g, std * share_g)


def _by_stage(lines: pd.DataFrame, devices: list[Device]) -> dict[str, float]:
    """Every device's M over the stages, in proportion to its owner's static energy (time, by (L2))."""
    static = lines[(lines["component"] == "static") | (lines["node_id"] == COORDINATOR)]
    time = static.groupby(["node_id", "stage"])["energy_j"].sum()
    found: dict[str, float] = {}
    for device in devices:
        own = (
            time.loc[[device.owner]].droplevel("node_id")
            if device.owner in time.index
            else pd.Series(dtype=float)
        )
        whole = float(own.sum())
        # A device without energy (dead, unmetered) was still reserved.
        weights = {str(k): float(v) / whole for k, v in own.items()} if whole > 0 else {UNALLOCATED: 1.0}
        for stage, weight in weights.items():
            found[stage] = found.get(stage, 0.0) + weight * device.share_g
    return found
