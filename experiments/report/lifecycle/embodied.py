"""Embodied emissions of a run, M of (L3): devices reserved for the run's own time, divided over their stages.

M = TE * (time reserved / expected life) * (resources reserved / total). Time reserved is board time, slots times
slot_s, for every node whether it worked or slept, and for the coordinator's board. Spread: a device's M follows
the time its lines' static energy was used in, idle time included (``unallocated``).
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from carbon_data.accounting import embodied_share_g
from carbon_data.units import JOULES_PER_KWH
from experiments.report.lifecycle.books import UNALLOCATED, slot_count
from experiments.report.lifecycle.factors import Factors
from experiments.report.lifecycle.setting import COORDINATOR, Setting

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
    by_stage: dict[str, float]
    reason: str = ""
    """Why there is no figure; empty when there is one."""

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


def embodied(setting: Setting, factors: Factors) -> Embodied:
    """Embodied emissions of ``setting.run``. Not given when a board has no factor: never zero instead."""
    run = setting.run
    if setting.scenario is None:
        return Embodied((), {}, setting.reason)
    if not setting.node_specs():
        return Embodied((), {}, "the scenario names other nodes than the tables")
    reserved_s = slot_count(run) * run.slot_s
    life_s = factors.need("embodied", "device-life", "s")
    share = factors.need("embodied", "resources-share", "fraction")
    devices = []
    for owner, profile in sorted(setting.boards().items()):
        made_g = factors.get("embodied", profile, "g")
        if made_g is None:
            return Embodied(
                (), {}, f"no sourced factor for board {profile!r} in carbon_data/factors/embodied.toml"
            )
        std = factors.need("embodied", f"{profile}-std", "fraction")
        share_g = embodied_share_g(made_g, reserved_s, life_s, share)
        devices.append(Device(owner, profile, made_g, life_s, share_g, std * share_g))
    devices += _batteries(setting, factors, reserved_s)
    return Embodied(tuple(devices), _by_stage(run.tables["lines"], devices))


def _batteries(setting: Setting, factors: Factors, reserved_s: float) -> list[Device]:
    """Batteries in their bought size: storage scaled to the slot (scale_storage) is scaled back."""
    run, scenario = setting.run, setting.scenario
    assert scenario is not None
    nodes = run.tables["nodes"]
    if "battery_capacity_j" not in nodes:
        return []
    back = float(run.metadata["trace_step_s"]) / run.slot_s if scenario.time.scale_storage else 1.0
    found = []
    for row in nodes[nodes["battery_capacity_j"] > 0].itertuples():
        made_g = (
            factors.need("embodied", "battery-per-kwh", "g/kWh")
            * float(row.battery_capacity_j)  # type: ignore[arg-type]
            * back
            / JOULES_PER_KWH
        )
        life_s = factors.need("embodied", "battery-life", "s")
        std = factors.need("embodied", "battery-per-kwh-std", "fraction")
        share_g = embodied_share_g(made_g, reserved_s, life_s)
        found.append(Device(str(row.node_id), "battery", made_g, life_s, share_g, std * share_g))
    return found


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
