"""A policy's view has the nodes' own figures, each in its own column."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from carbon_data.types import DataError
from carbon_data.units import JOULES_PER_KWH
from coordinator.config import CoordinatorConfig, LimitsConfig
from coordinator.market.fleet import Fleet, Limits
from coordinator.policies.local import Local
from coordinator.slots.columns import work_of as work_profile
from coordinator.slots.fleet_view import NodeView, build_fleet, build_table, limits_of
from protos.messages.slot import Telemetry
from protos.messages.stream import NodeProfile
from protos.messages.terms import Sleep, Stage
from protos.messages.work import HandOver, WorkProfile


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


@pytest.mark.parametrize(
    ("kinds", "can_sleep", "may_sleep"),
    [
        ((Sleep.MODELLED, Sleep.SUPPLY), None, True),
        ((Sleep.COMMAND, Sleep.NONE), [True, False], True),
        ((Sleep.NONE, Sleep.NONE), [False, False], False),
    ],
)
def test_a_policy_is_told_who_can_sleep(
    tmp_path: Path, kit: Any, kinds: tuple[Sleep, Sleep], can_sleep: list[bool] | None, may_sleep: bool
) -> None:
    policy = Watching()
    limits = LimitsConfig(net_j_per_byte=2e-6, may_sleep=True)
    bench = kit.Bench(kit.make_config(tmp_path, nodes=2, limits=limits), policy)
    for stub, kind in zip(bench.nodes.values(), kinds, strict=True):
        stub.profile = dataclasses.replace(stub.profile, sleep=kind)
    bench.join()
    bench.run_slot(0)
    bench.close()
    (seen,) = policy.seen
    assert (None if seen.can_sleep is None else seen.can_sleep.tolist()) == can_sleep
    assert seen.limits.may_sleep is may_sleep
    assert seen.sleepers().tolist() == [kind.possible for kind in kinds]


def fields_of(made: Any) -> dict[str, Any]:
    """Fields of a dataclass as plain values, so that one comparison covers all of them."""
    values = {field.name: getattr(made, field.name) for field in dataclasses.fields(made)}
    return {name: v.tolist() if isinstance(v, np.ndarray) else v for name, v in values.items()}


def watched(kit: Any, folder: Path, **changes: Any) -> tuple[CoordinatorConfig, dict[str, NodeView]]:
    """Two nodes before slot 1 of four, of three stages; every figure of theirs differs from every other."""
    stages = (Stage.PREPARATION, Stage.DEVELOPMENT, Stage.DEVELOPMENT, Stage.APPLICATION)
    limits = LimitsConfig(
        offload_cap_fraction=0.4,
        transfer_cap_fraction=0.3,
        transfer_cap_over="horizon",
        deadline_slots=2,
        may_sleep=True,
        net_j_per_byte=3e-6,
    )
    config = kit.make_config(
        folder,
        nodes=2,
        stages=stages,
        **{"limits": limits, "horizon_slots": 2, "known_slots": 3, "day_slots": 2, **changes},
    )
    views = {}
    for i, node in enumerate(config.node_ids):
        work = tuple(
            WorkProfile(stage, 2.0 + i + k, 3.0 + 10 * i + k, 1000 + 100 * i + k, 0.1 + i + k, 0.2 + i + k)
            for k, stage in enumerate((Stage.DEVELOPMENT, Stage.APPLICATION))
        )
        told = Telemetry(
            *(node, "boot", 1, 1, 7_000_000 + i, (11 + i, 12 + i, 13 + i, 14 + i), (1 + i, 2 + i, 3 + i)),
            release_forecast_batches=(4 + i, 5 + i, 6 + i),
            mean_loss=0.5 if i else None,
        )
        views[node] = NodeView(
            profile=kit.profile(i, work=work),
            telemetry=told,
            asleep=bool(i),
            participations=21 + i,
            offload_room=(0, 1, 1 + i),
            harvested_uj=31_000_000 + i,
            given_uj=41_000_000 + i,
        )
    return config, views


def test_a_fleet_whole_by_hand(tmp_path: Path, kit: Any) -> None:
    config, views = watched(kit, tmp_path)
    by_zone = {zone.zone: zone.intensity_g_per_kwh for zone in config.zones}
    fleet = build_fleet(config, 1, views, by_zone)
    bodies = [view.profile for view in views.values()]
    works = [[body.work[0], body.work[0], body.work[1]] for body in bodies]
    intensity = [list(by_zone[body.zone][1:4]) for body in bodies]
    wanted = {
        **{name: [float(read(body)) for body in bodies] for name, read in FIELDS.items()},
        "node_ids": ("n00", "n01"),
        "slot": 1,
        "slot_s": 60.0,
        "stage": "development",
        "limits": Limits(
            offload_cap_fraction=0.4,
            transfer_cap_fraction=0.3,
            transfer_cap_over="horizon",
            deadline_slots=2,
            may_sleep=True,
            net_j_per_byte=3e-6,
        ),
        "intensity_g_per_kwh": intensity,
        "harvest_j": [[11e-6, 12e-6, 13e-6], [12e-6, 13e-6, 14e-6]],
        "backlog_batches": [[1, 2, 3], [2, 3, 4]],
        "release_batches": [[4, 5], [5, 6]],
        **{
            name: [[getattr(work, name) for work in row] for row in works]
            for name in ("seconds_per_batch", "joules_per_batch", "model_j", "request_j")
        },
        "bytes_per_batch": [1100.0, 1100.0, 1101.0],
        "offloadable": [True, True, True],
        "battery_j": [7.0, 7.000001],
        # The run ends with what is known: stored energy has no use after it.
        "stored_value_g_per_j": [0.0, 0.0],
        "asleep": [False, True],
        "can_sleep": None,
        "calibrated": None,
        "moved": None,
        "points": None,
        "split": None,
        "decision_slots": 2,
        "later_slots": 0,
        "end_value_g_per_j": None,
        "day_slots": 2,
        "harvest_spread_fraction": 0.0,
        "offload_room_batches": [[0, 1, 1], [0, 1, 2]],
        # Released in slot 1, 2 or 3; development ends with slot 2, the run with slot 3.
        "release_last_slot": [1, 1, 2],
        "harvested_before_j": [31.0, 31.000001],
        "given_before_j": [41.0, 41.000001],
        "loss_fraction": None,
        "participations": [21, 22],
        "num_examples": [100, 101],
        "true_intensity_g_per_kwh": None,
        "true_harvest_j": None,
    }
    found = fields_of(fleet)
    losses = found.pop("mean_loss")
    assert fleet.bytes_per_batch.dtype == np.float64
    assert np.isnan(losses[0])
    assert losses[1] == 0.5
    assert found == wanted


def test_what_can_be_handed_over_and_what_was_calibrated_stand_by_node(tmp_path: Path, kit: Any) -> None:
    config, views = watched(kit, tmp_path)
    told = HandOver(3.0, 5.0, 700, "kin", 1e6, None)
    stage = config.stages[1]
    _, second = views
    profile = views[second].profile
    work = tuple(
        dataclasses.replace(each, hand_over=told, calibrated=True) if each.stage == stage else each
        for each in profile.work
    )
    profile = dataclasses.replace(profile, work=work)
    views[second] = dataclasses.replace(views[second], profile=profile)
    fleet = build_fleet(config, 1, views, {zone.zone: zone.intensity_g_per_kwh for zone in config.zones})
    assert fleet.calibrated is not None
    assert fleet.calibrated.tolist() == [False, True]
    split = fleet.split
    assert split is not None
    assert (split.read_s.tolist(), split.read_j.tolist()) == ([0.0, 3.0], [0.0, 5.0])
    assert (split.cache_bytes.tolist(), split.kin) == ([0.0, 700.0], ("", "kin"))
    assert split.latency_target_s.tolist() == [np.inf, np.inf]
    assert not split.pairs().any()  # the first has no cache


def test_a_fleet_with_foresight_and_slots_beyond_what_is_known(tmp_path: Path, kit: Any) -> None:
    """In slot 0 three of four slots are known: a stored joule is worth eta_d times the mean of the last two of them."""
    config, views = watched(kit, tmp_path, foresight=True, harvest_spread_fraction=0.4, known_slots=2)
    work = (WorkProfile(Stage.PREPARATION, 1.0, 1.0, 10),)
    views = {
        node: dataclasses.replace(
            view,
            profile=dataclasses.replace(view.profile, work=(*view.profile.work, *work)),
            offload_room=None,
        )
        for node, view in views.items()
    }
    by_zone = {zone.zone: zone.intensity_g_per_kwh for zone in config.zones}
    fleet = build_fleet(config, 0, views, by_zone)
    assert fleet.horizon == 2
    assert fleet.later_slots == 2
    assert fleet.stage == "preparation"
    assert fleet.offloadable.tolist() == [False, True]
    assert fleet.true_intensity_g_per_kwh is not None
    assert fleet.true_harvest_j is not None
    assert fleet.true_intensity_g_per_kwh.tolist() == fleet.intensity_g_per_kwh.tolist()
    assert fleet.true_harvest_j.tolist() == fleet.harvest_j.tolist() == [[11e-6, 12e-6], [12e-6, 13e-6]]
    assert fleet.harvest_spread_fraction == 0.0
    assert fleet.offload_room_batches is None
    wanted = [
        body.discharge_efficiency_fraction * sum(by_zone[body.zone][:2]) / 2 / 3.6e6
        for body in (view.profile for view in views.values())
    ]
    np.testing.assert_allclose(fleet.stored_value_g_per_j, wanted, rtol=1e-12)
    told, _ = watched(kit, tmp_path, harvest_spread_fraction=0.4)
    assert build_fleet(told, 1, views, by_zone).harvest_spread_fraction == 0.4


def test_a_fleet_that_looks_no_slot_ahead_has_no_releases(tmp_path: Path, kit: Any) -> None:
    config, views = watched(kit, tmp_path, horizon_slots=1, known_slots=1, day_slots=1)
    fleet = build_fleet(config, 1, views, {zone.zone: zone.intensity_g_per_kwh for zone in config.zones})
    assert (fleet.release_batches.shape, fleet.release_batches.dtype) == ((2, 0), np.int64)
    assert fleet.harvest_j.tolist() == [[11e-6], [12e-6]]
    assert (fleet.horizon, fleet.later_slots, fleet.decision_slots) == (1, 2, 1)


def test_last_slots_of_work_end_with_stage_run_and_latency_target(tmp_path: Path, kit: Any) -> None:
    stages = (Stage.DEVELOPMENT,) * 3 + (Stage.APPLICATION,) * 4
    config, views = watched(kit, tmp_path, horizon_slots=7, known_slots=7)
    config = config.model_copy(update={"stages": stages})
    by_zone = {zone.zone: zone.intensity_g_per_kwh for zone in config.zones}
    views = {
        node: dataclasses.replace(
            view,
            telemetry=dataclasses.replace(
                view.telemetry, harvest_forecast_uj=(1,) * 7, release_forecast_batches=(1,) * 6
            ),
        )
        for node, view in views.items()
    }
    fleet = build_fleet(config, 0, views, by_zone)
    assert fleet.release_last_slot is not None
    assert fleet.release_last_slot.tolist() == [2, 2, 2, 5, 6, 6, 6]
    urgent = config.model_copy(update={"request_deadline_slots": 1})
    fleet = build_fleet(urgent, 0, views, by_zone)
    assert fleet.release_last_slot is not None
    assert fleet.release_last_slot.tolist() == [2, 2, 2, 4, 5, 6, 6]


def test_a_market_s_table_whole_by_hand(tmp_path: Path, kit: Any) -> None:
    """Before slot 1 of six, three known and two decided: the run goes on, at the mean of the last two known."""
    config, views = watched(kit, tmp_path)
    config = config.model_copy(update={"stages": (*config.stages, Stage.APPLICATION, Stage.APPLICATION)})
    profiles = {node: view.profile for node, view in views.items()}
    by_zone = {zone.zone: zone.intensity_g_per_kwh for zone in config.zones}
    table = build_table(config, 1, profiles, by_zone, epoch=5, attempt=2)
    bodies = list(profiles.values())
    works = [[body.work[0], body.work[0], body.work[1]] for body in bodies]
    public = ("static_w", "tx_j_per_byte", "rx_j_per_byte", "export_efficiency", "import_efficiency")
    found = fields_of(table)
    assert table.bytes_per_batch.dtype == np.float64
    np.testing.assert_allclose(
        found.pop("later_g_per_kwh"), [sum(by_zone[body.zone][2:4]) / 2 for body in bodies], rtol=1e-12
    )
    assert found == {
        **{name: [FIELDS[name](body) for body in bodies] for name in public},
        "node_ids": ("n00", "n01"),
        "slot": 1,
        "slot_s": 60.0,
        "limits": limits_of(config),
        "intensity_g_per_kwh": [list(by_zone[body.zone][1:4]) for body in bodies],
        "seconds_per_batch": [[work.seconds_per_batch for work in row] for row in works],
        "joules_per_batch": [[work.joules_per_batch for work in row] for row in works],
        "bytes_per_batch": [1100.0, 1100.0, 1101.0],
        "offloadable": [True, True, True],
        "decision_slots": 2,
        "epoch": 5,
        "attempt": 2,
    }


def test_work_of_a_stage_that_a_node_did_not_give(kit: Any) -> None:
    work = WorkProfile(Stage.DEVELOPMENT, 1.0, 2.0, 3)
    profile = kit.profile(0, work=(work,))
    assert work_profile(profile, Stage.DEVELOPMENT) is work
    assert work_profile(profile, Stage.UNALLOCATED) == WorkProfile(Stage.UNALLOCATED, 0.0, 0.0, 0)
    with pytest.raises(DataError) as caught:
        work_profile(profile, Stage.RECYCLING)
    assert str(caught.value) == "no work profile for stage recycling; the node registered ['development']"


def test_what_a_node_has_learned_of_its_work_stands_in_place_of_what_it_registered(kit: Any) -> None:
    learned = WorkProfile(Stage.DEVELOPMENT, 2.0, 8.0, 1, 0.5)
    told = Telemetry("n00", "boot", 1, 0, 0, (1,), (1,), work=(learned,))
    view = NodeView(kit.profile(0), told, False, 0, None)
    assert learned in view.now.work
    assert len(view.now.work) == len(view.profile.work)
    assert dataclasses.replace(view, telemetry=dataclasses.replace(told, work=())).now == view.profile
