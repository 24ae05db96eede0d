"""A policy's view has the nodes' own figures, each in its own column."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from carbon_data.units import JOULES_PER_KWH
from coordinator.config import LimitsConfig
from coordinator.market.fleet import Fleet
from coordinator.policies.local import Local
from coordinator.slots.fleet_view import build_table
from protos.messages.stream import NodeProfile, WorkProfile
from protos.messages.terms import Stage


class Watching(Local):
    """LOCAL that records the fleets it gets; ``sleepers`` sleep in slot 0."""

    name = "watching"

    def __init__(self, sleepers: tuple[str, ...] = ()) -> None:
        self.seen: list[Fleet] = []
        self.sleepers = sleepers

    def decide(self, fleet: Fleet, state: Any) -> Any:
        self.seen.append(fleet)
        decision, state = super().decide(fleet, state)
        sleeps = np.array([node in self.sleepers and fleet.slot == 0 for node in fleet.node_ids])
        return dataclasses.replace(decision, awake=decision.awake & ~sleeps), state


FIELDS = {
    "static_w": lambda p: p.static_w,
    "sleep_w": lambda p: p.sleep_w,
    "wake_j": lambda p: p.wake_j,
    "wake_s": lambda p: p.wake_s,
    "tx_j_per_byte": lambda p: p.tx_j_per_byte,
    "rx_j_per_byte": lambda p: p.rx_j_per_byte,
    "storage_bytes": lambda p: p.storage_bytes,
    "battery_capacity_j": lambda p: p.battery_capacity_uj / 1e6,
    "charge_efficiency": lambda p: p.charge_efficiency_fraction,
    "discharge_efficiency": lambda p: p.discharge_efficiency_fraction,
    "self_discharge_fraction": lambda p: p.self_discharge_fraction,
    "charge_limit_w": lambda p: p.charge_limit_w,
    "discharge_limit_w": lambda p: p.discharge_limit_w,
    "export_efficiency": lambda p: 1.0 - p.export_loss_fraction,
    "import_efficiency": lambda p: 1.0 - p.import_loss_fraction,
}
"""Column of the fleet, and what of a node's profile it must hold."""


def work_of(profile: NodeProfile, stage: Stage) -> WorkProfile:
    return next(work for work in profile.work if work.stage is stage)


def test_every_figure_of_a_profile_stands_in_its_own_column(tmp_path: Path, kit: Any) -> None:
    policy = Watching()
    stages = (Stage.PREPARATION, Stage.DEVELOPMENT, Stage.APPLICATION)
    bench = kit.Bench(kit.make_config(tmp_path, nodes=3, stages=stages, horizon_slots=3), policy)
    bench.join()
    bench.run_slot(0, Stage.PREPARATION)
    bench.close()
    fleet = policy.seen[0]
    profiles = [bench.nodes[node].profile for node in fleet.node_ids]
    columns = [tuple(read(profile) for profile in profiles) for read in FIELDS.values()]
    assert len(set(columns)) == len(columns), "two columns are equal: one may stand for the other unseen"
    for name, expected in zip(FIELDS, columns, strict=True):
        np.testing.assert_allclose(getattr(fleet, name), expected, err_msg=name)
    for t, stage in enumerate(stages):
        works = [work_of(profile, stage) for profile in profiles]
        np.testing.assert_allclose(fleet.seconds_per_batch[:, t], [w.seconds_per_batch for w in works])
        np.testing.assert_allclose(fleet.joules_per_batch[:, t], [w.joules_per_batch for w in works])
    assert fleet.offloadable[:3].tolist() == [False, True, True]
    assert fleet.battery_j.tolist() == [stub / 1e6 for stub in (100_000_003,) * 3]
    assert fleet.harvest_j[:, 0].tolist() == [bench.nodes[node].harvest(0) / 1e6 for node in fleet.node_ids]


def test_every_figure_that_is_public_stands_in_its_own_column_of_the_market_s_table(
    tmp_path: Path, kit: Any
) -> None:
    """A market knows the profiles and no state of a slot; stages differ in seconds and joules per batch."""
    stages = (Stage.PREPARATION, Stage.DEVELOPMENT, Stage.APPLICATION)
    config = kit.make_config(tmp_path, nodes=3, stages=stages, horizon_slots=3)
    profiles = {f"n{i:02d}": kit.profile(i) for i in range(3)}
    by_zone = {zone.zone: zone.intensity_g_per_kwh for zone in config.zones}
    table = build_table(config, 1, profiles, by_zone, epoch=5, attempt=2)
    public = ("static_w", "tx_j_per_byte", "rx_j_per_byte", "export_efficiency", "import_efficiency")
    columns = [tuple(FIELDS[name](profile) for profile in profiles.values()) for name in public]
    assert len(set(columns)) == len(columns)
    for name, expected in zip(public, columns, strict=True):
        np.testing.assert_allclose(getattr(table, name), expected, err_msg=name)
    for t, stage in enumerate(stages[1:]):
        works = [work_of(profile, stage) for profile in profiles.values()]
        np.testing.assert_allclose(table.seconds_per_batch[:, t], [w.seconds_per_batch for w in works])
        np.testing.assert_allclose(table.joules_per_batch[:, t], [w.joules_per_batch for w in works])
    zones = [profile.zone for profile in profiles.values()]
    np.testing.assert_allclose(table.intensity_g_per_kwh, [by_zone[zone][1:3] for zone in zones])
    assert (table.slot, table.epoch, table.attempt) == (1, 5, 2)


def test_intensities_are_those_of_each_node_s_zone_and_of_the_slots_to_come(tmp_path: Path, kit: Any) -> None:
    policy = Watching()
    config = kit.make_config(tmp_path, nodes=3, slots=6, horizon_slots=2)
    bench = kit.Bench(config, policy)
    bench.join()
    for slot in range(3):
        bench.run_slot(slot)
    bench.close()
    by_zone = {zone.zone: zone.intensity_g_per_kwh for zone in config.zones}
    for slot, fleet in enumerate(policy.seen):
        zones = [bench.nodes[node].profile.zone for node in fleet.node_ids]
        expected = [by_zone[zone][slot : slot + fleet.horizon] for zone in zones]
        np.testing.assert_allclose(fleet.intensity_g_per_kwh, expected)
        assert fleet.stored_value_g_per_j.max() < 1000.0 / JOULES_PER_KWH


@pytest.mark.parametrize("sleepers", [(), ("n01",), ("n00", "n02")])
def test_a_node_that_slept_is_known_to_have_slept(
    tmp_path: Path, kit: Any, sleepers: tuple[str, ...]
) -> None:
    policy = Watching(sleepers)
    limits = LimitsConfig(net_j_per_byte=2e-6, may_sleep=True)
    bench = kit.Bench(kit.make_config(tmp_path, nodes=3, limits=limits), policy)
    for stub in bench.nodes.values():
        stub.release = 0
    bench.join()
    for slot in range(3):
        bench.run_slot(slot)
    bench.close()
    asleep = [dict(zip(fleet.node_ids, fleet.asleep.tolist(), strict=True)) for fleet in policy.seen]
    assert asleep[0] == dict.fromkeys(bench.nodes, False)
    assert asleep[1] == {node: node in sleepers for node in bench.nodes}
    assert asleep[2] == dict.fromkeys(bench.nodes, False)
